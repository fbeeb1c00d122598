// The table of all cases.
(() => {
  const root = document.getElementById("case-table");
  if (!root) return;
  const data = JSON.parse(document.getElementById("case-data").textContent);
  const STEP = 50;
  const body = root.querySelector("tbody");
  const status = root.querySelector("[role=status]");
  const more = root.querySelector(".more");
  const all = root.querySelector(".all");
  const search = root.querySelector("input[type=search]");
  const flagged = root.querySelector("input[type=checkbox]");
  const label = root.querySelector("select[name=label]");
  const filters = [...root.querySelectorAll("select[data-attribute]")];
  const headers = [...root.querySelectorAll("thead th")];
  const order = new Intl.Collator(undefined, { numeric: true });
  const first = headers.findIndex((header) => header.dataset.kind === "metric");
  const start = { column: first, up: data.metrics[0].better === "higher" };
  let sorting = { ...start };
  let limit = STEP;

  const labelIndex = () => (label ? Number(label.value) : 0);
  const number = (value) => (value === "inf" ? Infinity : value);
  const keys = (header) => {
    const index = Number(header.dataset.index);
    if (header.dataset.kind === "metric") {
      const values = data.values[labelIndex()][index];
      return (i) => number(values[i]);
    }
    if (header.dataset.kind === "attribute") {
      const codes = data.groups[index];
      return (i) => (codes[i] < 0 ? null : codes[i]);
    }
    if (header.dataset.kind === "remarks") {
      const codes = data.flags[labelIndex()];
      return (i) => (codes[i] ? data.remarks[codes[i]] : null);
    }
    const names = header.dataset.kind === "patient" ? data.patients : data.cases;
    return (i) => names[i];
  };
  const compare = (a, b) => {
    if (typeof a === "string") return order.compare(a, b);
    return a < b ? -1 : a > b ? 1 : 0;
  };

  const selected = () => {
    const wanted = filters.map((filter) => filter.value);
    const text = search.value.trim().toLocaleLowerCase();
    const flags = data.flags[labelIndex()];
    const rows = [];
    for (let i = 0; i < data.cases.length; i++) {
      if (flagged && flagged.checked && !flags[i]) continue;
      if (wanted.some((value, a) => value !== "" && data.groups[a][i] !== Number(value))) continue;
      if (text && !data.cases[i].toLocaleLowerCase().includes(text)
          && !(data.patients && data.patients[i].toLocaleLowerCase().includes(text))) continue;
      rows.push(i);
    }
    const key = keys(headers[sorting.column]);
    const sign = sorting.up ? 1 : -1;
    return rows.sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return sign * compare(x, y) || a - b;
    });
  };

  const written = (value, unit) => {
    if (value === null) return "\u2013";
    if (value === "inf") return "\u221e";
    return value.toFixed(!unit ? 3 : Math.abs(value) < 9.995 ? 2 : 1);
  };
  const cell = (row, text, kind) => {
    const made = document.createElement(kind === "case" ? "th" : "td");
    if (kind === "case") made.scope = "row";
    if (kind === "metric") made.className = "value";
    const name = document.createElement("bdi");
    name.textContent = text;
    made.append(name);
    row.append(made);
    return made;
  };
  const drawn = (i) => {
    const row = document.createElement("tr");
    for (const header of headers) {
      const kind = header.dataset.kind, index = Number(header.dataset.index);
      if (kind === "metric") {
        cell(row, written(data.values[labelIndex()][index][i], data.metrics[index].unit), kind);
      } else if (kind === "attribute") {
        const code = data.groups[index][i];
        cell(row, code < 0 ? "unknown" : data.attributes[index].groups[code], kind);
      } else if (kind === "remarks") {
        cell(row, data.remarks[data.flags[labelIndex()][i]], kind);
      } else if (kind === "patient") {
        cell(row, data.patients[i], kind);
      } else {
        const made = cell(row, data.cases[i], kind);
        const picture = document.getElementById("picture-" + data.pictures[i]);
        if (picture) {
          const link = document.createElement("a");
          link.href = "#" + picture.id;
          link.append(made.firstChild);
          made.append(link);
        }
      }
    }
    return row;
  };

  const update = () => {
    const rows = selected();
    const shown = rows.slice(0, limit);
    body.replaceChildren(...shown.map(drawn));
    const header = headers[sorting.column];
    headers.forEach((other) => other.setAttribute("aria-sort",
      other !== header ? "none" : sorting.up ? "ascending" : "descending"));
    let by = header.textContent.trim() + (sorting.up ? ", ascending" : ", descending");
    if (header.dataset.kind === "metric") {
      const worst = (data.metrics[Number(header.dataset.index)].better === "higher") === sorting.up;
      by = header.textContent.trim() + (worst ? ", worst first" : ", best first");
    }
    const few = shown.length < rows.length ? ", the first " + shown.length + " shown" : "";
    status.textContent = rows.length + " of " + data.cases.length + " cases" + few
      + "; sorted by " + by + ".";
    more.hidden = all.hidden = shown.length === rows.length;
    more.textContent = "Show " + Math.min(STEP, rows.length - shown.length) + " more";
    all.textContent = "Show all " + rows.length;
  };
  const fresh = () => { limit = STEP; update(); };

  const sortBy = (header, column) => {
    const metric = header.dataset.kind === "metric" && data.metrics[Number(header.dataset.index)];
    const up = metric ? metric.better === "higher" : true;
    sorting = { column, up: sorting.column === column ? !sorting.up : up };
    fresh();
  };
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => sortBy(header, column));
  });
  for (const control of [label, flagged, ...filters]) {
    if (control) control.addEventListener("change", fresh);
  }
  search.addEventListener("input", fresh);
  more.addEventListener("click", () => {
    const from = limit;
    limit += STEP;
    update();
    if (more.hidden && body.rows[from]) focusRow(from);
  });
  all.addEventListener("click", () => {
    const from = limit;
    limit = Infinity;
    update();
    focusRow(from);
  });
  // the button that had the focus is gone: continue at its position
  const focusRow = (index) => {
    const row = body.rows[index];
    row.tabIndex = -1;
    row.focus();
  };
  const reset = () => {
    search.value = "";
    if (flagged) flagged.checked = false;
    if (label) label.value = "0";
    filters.forEach((filter) => { filter.value = ""; });
    sorting = { ...start };
  };
  root.querySelector(".reset").addEventListener("click", () => { reset(); fresh(); });
  document.querySelectorAll("a[data-cases-of]").forEach((link) => {
    link.addEventListener("click", () => {
      reset();
      filters[Number(link.dataset.casesOf)].value = link.dataset.group;
      fresh();
      search.focus({ preventScroll: true });
    });
    link.hidden = false;
  });
  root.hidden = false;
  update();
})();
