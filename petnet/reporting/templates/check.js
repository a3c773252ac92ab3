"use strict";
(() => {
  const table = document.getElementById("table-findings");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const what = document.getElementById("filter-check");
  const text = document.getElementById("filter-text");
  const boxes = Array.from(document.querySelectorAll("input[name=severity]"));
  const shown = document.getElementById("shown");
  const words = rows.map((row) => row.textContent.toLowerCase());

  function filter() {
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const wanted = text.value.trim().toLowerCase();
    let count = 0;
    rows.forEach((row, k) => {
      const fits = severities.has(row.dataset.severity)
        && (!what.value || row.dataset.check === what.value)
        && words[k].includes(wanted);
      row.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count} of ${rows.length} findings shown`;
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.sort === undefined) return cell.textContent.trim().toLowerCase();
    return cell.dataset.sort === "" ? Infinity : Number(cell.dataset.sort);
  }

  function sort(header) {
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const keyed = rows.map((row, k) => [keyOf(row, header.cellIndex), k, row]);
    const compare = (a, b) => (typeof a[0] === "number" ? (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)
      : a[0].localeCompare(b[0], undefined, { numeric: true }));
    keyed.sort((a, b) => (descending ? -1 : 1) * compare(a, b) || a[1] - b[1]);
    body.append(...keyed.map((entry) => entry[2]));
  }

  function show(severities, check, words) {
    boxes.forEach((box) => { box.checked = severities.includes(box.value); });
    what.value = check;
    text.value = words;
    filter();
  }

  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  const all = boxes.map((box) => box.value);
  boxes.forEach((box) => box.addEventListener("change", filter));
  what.addEventListener("change", filter);
  text.addEventListener("input", filter);
  document.getElementById("filter-reset").addEventListener("click", () => show(all, "", ""));
  table.tHead.addEventListener("click", (event) => {
    const header = event.target.closest("th");
    if (header && event.target.closest("button")) sort(header);
  });
  const loud = rows.some((row) => row.dataset.severity === "error" || row.dataset.severity === "warning");
  show(loud ? ["error", "warning"] : all, "", "");
  document.getElementById("filters").hidden = false;
})();
