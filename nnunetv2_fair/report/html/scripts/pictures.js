// Pictures of cases: enlarged on click, with arrows to the next one.
(() => {
  const dialog = document.getElementById("enlarged");
  if (!dialog) return;
  const place = dialog.querySelector(".place");
  const buttons = [...document.querySelectorAll("button.enlarge")];
  let current = 0;
  const show = (index) => {
    current = (index + buttons.length) % buttons.length;
    const figure = buttons[current].closest("figure");
    const copy = figure.cloneNode(true);
    copy.removeAttribute("id");
    copy.querySelectorAll("button").forEach((button) => button.replaceWith(...button.childNodes));
    place.replaceChildren(copy);
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => { show(index); dialog.showModal(); });
  });
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.querySelector(".previous").addEventListener("click", () => show(current - 1));
  dialog.querySelector(".next").addEventListener("click", () => show(current + 1));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(current - 1);
    if (event.key === "ArrowRight") show(current + 1);
  });
  dialog.addEventListener("close", () => buttons[current].focus());
})();
