// Printing: the summary alone on two pages, or everything if the reader asks for it.
(() => {
  document.querySelectorAll("button.print").forEach((button) => {
    button.addEventListener("click", () => {
      document.documentElement.classList.toggle("everything", button.dataset.what === "everything");
      window.print();
    });
    button.closest(".printing").hidden = false;
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("everything");
  });
})();
