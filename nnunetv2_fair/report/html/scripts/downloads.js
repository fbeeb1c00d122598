// Figures and tables as files: the CSV that the page holds, and pictures of what is shown.
//
// A picture is made by laying the figure out once more, in a hidden frame of a fixed width with the
// colours of the light page, and by writing down where every word, box and line is. So it is the
// same on a telephone and in the dark.
(() => {
  const WIDTH = 900, MARGIN = 20, ZOOM = 2;
  const FONTS = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif";
  const SVG = "http://www.w3.org/2000/svg";
  const KEPT = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width",
    "stroke-linecap", "stroke-linejoin", "stroke-dasharray", "vector-effect", "visibility",
    "font-size", "font-weight"];

  const made = (tag, attributes, parent) => {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  };

  const laidOut = (box) => {
    const frame = document.createElement("iframe");
    frame.setAttribute("aria-hidden", "true");
    frame.tabIndex = -1;
    frame.style.cssText = `position:fixed;left:-20000px;top:0;width:${WIDTH + 2 * MARGIN}px;` +
      "height:800px;border:0;visibility:hidden";
    document.body.append(frame);
    const inside = frame.contentDocument;
    const style = inside.createElement("style");
    style.textContent = document.querySelector("style").textContent;
    inside.head.append(style);
    inside.documentElement.className = "light exported";
    inside.body.style.cssText = `margin:0;padding:${MARGIN}px;background:#fff;font-family:${FONTS}`;
    const title = inside.createElement("h3");
    title.textContent = box.dataset.title;
    inside.body.append(title, inside.importNode(box.querySelector(".taken"), true));
    inside.querySelectorAll("details").forEach((part) => { part.open = true; });
    if (box.dataset.note) {
      const note = inside.createElement("p");
      note.className = "hint";
      note.textContent = box.dataset.note;
      inside.body.append(note);
    }
    return frame;
  };

  const seen = (style) => style.visibility !== "hidden" || style.display === "none";
  const colour = (value) => value && value !== "transparent" && !/, 0\)$/.test(value);

  const writeBox = (element, style, root) => {
    const place = element.getBoundingClientRect();
    if (!place.width || !place.height) return;
    const shape = { x: place.left, y: place.top, width: place.width, height: place.height };
    const round = Math.min(parseFloat(style.borderTopLeftRadius) || 0, place.height / 2);
    const ring = /inset/.test(style.boxShadow);
    const ramp = style.backgroundImage.match(
      /^linear-gradient\(90deg, (rgba?\(.*?\)), (rgba?\(.*?\))/);
    if (ramp) {
      const id = `ramp-${root.querySelectorAll("linearGradient").length}`;
      const gradient = made("linearGradient", { id }, root);
      made("stop", { offset: 0, "stop-color": ramp[1] }, gradient);
      made("stop", { offset: 1, "stop-color": ramp[2] }, gradient);
      made("rect", { ...shape, rx: round, fill: `url(#${id})`, stroke: "#dde1e7" }, root);
      return;
    }
    const hatched = style.backgroundImage.startsWith("repeating") ? "#f1f2f5" : "";
    const fill = hatched || (colour(style.backgroundColor) ? style.backgroundColor : "none");
    if (fill !== "none" || ring) {
      made("rect", { ...shape, rx: round, fill, stroke: ring ? "#dde1e7" : "none" }, root);
    }
    for (const [side, line] of [["Top", [place.left, place.top, place.right, place.top]],
      ["Bottom", [place.left, place.bottom, place.right, place.bottom]]]) {
      const width = parseFloat(style[`border${side}Width`]);
      if (width && style[`border${side}Style`] !== "none" && colour(style[`border${side}Color`])) {
        made("path", { d: `M${line[0]} ${line[1]}H${line[2]}`, stroke: style[`border${side}Color`],
          "stroke-width": width }, root);
      }
    }
  };

  // a line of text may be broken: one element for each of its lines
  const writeText = (node, style, root) => {
    const range = node.ownerDocument.createRange();
    const text = node.data;
    let from = 0, top = null;
    const flush = (to) => {
      const part = text.slice(from, to).replace(/\s+/g, " ");
      range.setStart(node, from);
      range.setEnd(node, to);
      const place = range.getBoundingClientRect();
      if (!part.trim() || !place.width) return;
      const size = parseFloat(style.fontSize);
      const line = made("text", { x: place.left.toFixed(1),
        y: (place.top + place.height / 2 + size * 0.35).toFixed(1), "font-size": size,
        "font-weight": style.fontWeight, fill: style.color,
        textLength: place.width.toFixed(1), lengthAdjust: "spacingAndGlyphs",
        "xml:space": "preserve" }, root);
      line.textContent = style.textTransform === "uppercase" ? part.toUpperCase() : part;
    };
    for (let at = 0; at < text.length; at++) {
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const place = range.getClientRects()[0];
      if (!place || !place.width) continue;
      if (top !== null && Math.abs(place.top - top) > 4) {
        flush(at);
        from = at;
      }
      top = place.top;
    }
    flush(text.length);
  };

  const writeDrawing = (svg, root) => {
    const place = svg.getBoundingClientRect();
    const inner = made("svg", { x: place.left, y: place.top, width: place.width,
      height: place.height, viewBox: svg.getAttribute("viewBox"), overflow: "visible",
      preserveAspectRatio: svg.getAttribute("preserveAspectRatio") || "xMidYMid meet" }, root);
    const copy = (from, to) => {
      for (const child of from.children) {
        const twin = made(child.tagName, {}, to);
        for (const { name, value } of child.attributes) {
          if (name !== "class" && name !== "style") twin.setAttribute(name, value);
        }
        const style = getComputedStyle(child);
        for (const key of KEPT) twin.setAttribute(key, style.getPropertyValue(key));
        if (child.children.length) copy(child, twin);
        else if (child.textContent) twin.textContent = child.textContent;
      }
    };
    copy(svg, inner);
  };

  const write = (element, root) => {
    const style = getComputedStyle(element);
    if (style.display === "none" || element.classList.contains("unseen")) return;
    if (element.tagName.toLowerCase() === "svg") {
      writeDrawing(element, root);
      return;
    }
    if (seen(style)) writeBox(element, style, root);
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) writeText(child, style, root);
      else if (child.nodeType === Node.ELEMENT_NODE) write(child, root);
    }
  };

  const picture = (box) => {
    const frame = laidOut(box);
    // words and boxes are written in the frame, whose visibility says nothing about them
    frame.contentDocument.body.style.visibility = "visible";
    const body = frame.contentDocument.body;
    // a table may be wider than the frame
    const width = Math.max(WIDTH + 2 * MARGIN, body.scrollWidth + MARGIN);
    frame.style.width = width + "px";
    // not the height of the body, which fills the frame
    const bottoms = [...body.children].map((child) => child.getBoundingClientRect().bottom);
    const height = Math.ceil(Math.max(...bottoms) + MARGIN);
    const root = made("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`,
      "font-family": FONTS });
    made("title", {}, root).textContent = box.dataset.title;
    made("rect", { width, height, fill: "#ffffff" }, root);
    for (const child of body.children) write(child, root);
    frame.remove();
    return { text: new XMLSerializer().serializeToString(root), width, height };
  };

  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const asPng = ({ text, width, height }, name) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = width * ZOOM;
      canvas.height = height * ZOOM;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, name), "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  };

  document.querySelectorAll(".download").forEach((box) => {
    const menu = box.querySelector(":scope > .save");
    const name = box.dataset.name;
    menu.addEventListener("click", (event) => {
      const format = event.target.dataset && event.target.dataset.format;
      if (format === "csv") {
        const text = JSON.parse(box.querySelector(":scope > .numbers").textContent);
        // spreadsheets take a file without this mark for one in the local code page
        save(new Blob(["\ufeff", text], { type: "text/csv" }), name + ".csv");
      } else if (format === "svg") {
        save(new Blob([picture(box).text], { type: "image/svg+xml" }), name + ".svg");
      } else if (format === "png") {
        asPng(picture(box), name + ".png");
      }
    });
    menu.hidden = false;
  });
})();
