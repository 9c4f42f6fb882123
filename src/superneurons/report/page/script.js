"use strict";

// Tables: a column's button sorts by the numbers or words kept in its cells; empty cells come last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const original = [...table.tBodies[0].rows];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("numeric");
      const first = numeric && column > 0 ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const before = head.getAttribute("aria-sort");
      const now = before === first ? second : before === second ? "none" : first;
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", now);
      table.tBodies[0].append(...(now === "none" ? original : sorted(column, now)));
    });
  });
  function sorted(column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      const by = Number(x) - Number(y);
      return sign * (Number.isNaN(by) ? x.localeCompare(y) : by);
    };
    return [...original].sort(compare);
  }
}

// Theme: the system's, or the one that was chosen.
const theme = document.querySelector(".theme");
const themes = ["auto", "light", "dark"];
const name = () => document.documentElement.dataset.theme || "auto";
const show = () => { theme.textContent = `Theme: ${name()}`; };
theme.addEventListener("click", () => {
  const next = themes[(themes.indexOf(name()) + 1) % themes.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  show();
});
show();

// Copy: the clipboard where the browser allows it, else the text is selected.
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
}

// The map: what is under the pointer.
const tip = document.querySelector(".tip");
const numbers = (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
};
for (const image of document.querySelectorAll("image.cells")) {
  const of = image.dataset;
  const rows = Number(of.rows), cells = Number(of.cells), each = Number(of.each);
  const low = Number(of.low), high = Number(of.high);
  let scores, columns;
  image.addEventListener("pointermove", (event) => {
    scores ??= numbers(of.scores);
    columns ??= numbers(of.columns);
    const box = image.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / box.height * rows);
    const cell = Math.floor((event.clientX - box.left) / box.width * cells);
    if (row < 0 || row >= rows || cell < 0 || cell >= cells) return;
    const place = row * cells + cell;
    const score = 100 * (low + scores[place] / 65535 * (high - low));
    tip.textContent = `layer ${row + 1}, neuron ${cell * each + columns[place]}: ${score.toFixed(1)} %`;
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${event.clientY - 30}px`;
  });
  image.addEventListener("pointerleave", () => { tip.hidden = true; });
}
