// The script of all pages. First part: definitions on hover and focus.
//
// It is the only code that a page may run: the page's policy names its hash, so that nothing that
// comes from data can ever run. Everything but the table of cases can be read without it. Text from
// data enters the page as text (textContent), never as markup.
"use strict";
(() => {
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.role = "tooltip";
  tip.hidden = true;
  document.body.append(tip);
  let owner = null;
  let leaving = 0;

  const hide = () => {
    clearTimeout(leaving);
    if (owner) owner.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  };
  const show = (element) => {
    clearTimeout(leaving);
    if (owner === element) return;
    hide();
    owner = element;
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    element.setAttribute("aria-describedby", "tip");
    put();
  };
  const put = () => {
    if (!owner) return;
    const place = owner.getBoundingClientRect();
    const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = place.bottom + 6;
    const fits = below + tip.offsetHeight <= document.documentElement.clientHeight;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (fits ? below : Math.max(8, place.top - tip.offsetHeight - 6)) + "px";
  };
  const prepare = (element) => {
    element.dataset.tip = element.title;
    element.removeAttribute("title");
    if (element.tabIndex < 0) element.tabIndex = 0;
  };
  document.querySelectorAll("main [title]").forEach(prepare);
  const at = (event) => event.target.closest && event.target.closest("[data-tip]");
  document.addEventListener("mouseover", (event) => {
    if (at(event)) show(at(event));
    else if (tip.contains(event.target)) clearTimeout(leaving);
  });
  document.addEventListener("mouseout", (event) => {
    if (at(event) || tip.contains(event.target)) leaving = setTimeout(hide, 200);
  });
  document.addEventListener("focusin", (event) => {
    if (at(event)) show(at(event)); else hide();
  });
  document.addEventListener("focusout", hide);
  // the definition itself is in sight now, and the tooltip would lie over neighbouring links
  document.addEventListener("click", (event) => { if (at(event) && at(event).href) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  // not hidden: moving the focus with the keyboard may scroll the page
  document.addEventListener("scroll", put, { passive: true, capture: true });
})();
