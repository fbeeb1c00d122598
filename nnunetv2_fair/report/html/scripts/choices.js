// Choices of what is shown: the group that others are compared with, subgroups by size.
(() => {
  document.querySelectorAll("select[data-shows]").forEach((choice) => {
    const rows = [...document.querySelectorAll(`[data-choice="${choice.dataset.shows}"]`)];
    const update = () => {
      rows.forEach((row) => { row.hidden = row.dataset.value !== choice.value; });
    };
    choice.addEventListener("change", update);
    choice.closest(".choice").hidden = false;
    update();
  });
  document.querySelectorAll("input[data-least]").forEach((field) => {
    const rows = [...document.querySelectorAll(`[data-size-of="${field.dataset.least}"]`)];
    const told = field.closest(".choice").querySelector("[role=status]");
    const update = () => {
      const least = Number(field.value) || 0;
      rows.forEach((row) => { row.hidden = Number(row.dataset.size) < least; });
      const shown = rows.filter((row) => !row.hidden).length;
      told.textContent = `${shown} of ${rows.length} subgroups shown`;
    };
    field.addEventListener("input", update);
    field.closest(".choice").hidden = false;
    update();
  });
})();
