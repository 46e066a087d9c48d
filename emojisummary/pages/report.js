// Finds texts, and shows them a page at a time. Without it, all of them are there.
"use strict";
const PAGE = 50;
const rows = [...document.querySelectorAll("#answers tbody tr")];
const form = document.querySelector("form.filters");
if (form) {
  // compared without case, accents and the invisible sign that asks for a coloured emoji
  const folded = text => text.normalize("NFKD").replace(/[\u0300-\u036f\ufe0f]/g, "").toLowerCase();
  const seen = row => [...row.querySelectorAll(".text, .facts, .glyphs, .prose")].map(part => part.textContent).join(" ");
  const known = rows.map(row => folded(seen(row)));
  const count = document.getElementById("count");
  const more = document.querySelector(".more");
  let shown = PAGE;

  const right = (row, verdict) => {
    const marks = row.dataset.right;  // one digit a model, 1 where it's right
    if (verdict === "none") return !marks.includes("1");
    if (verdict === "some") return marks.includes("1") && marks.includes("0");
    return marks[verdict.slice(1)] === (verdict[0] === "r" ? "1" : "0");
  };

  const update = () => {
    const words = folded(form.elements.search.value).split(/\s+/).filter(Boolean);
    const wanted = [...form.querySelectorAll("select")].filter(select => select.value);
    let found = 0;
    rows.forEach((row, number) => {
      const fits = words.every(word => known[number].includes(word)) && wanted.every(select =>
        select.name === "verdict" ? right(row, select.value) : row.dataset[select.name] === select.value);
      found += fits;
      row.hidden = !fits || found > shown;
    });
    count.textContent = found === rows.length ? `${found} texts` : `${found} of ${rows.length} texts`;
    more.hidden = found <= shown;
  };
  const restart = () => { shown = PAGE; update(); };

  form.addEventListener("input", restart);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(restart));
  more.addEventListener("click", event => {
    if (!event.target.value) return;
    shown = event.target.value === "all" ? Infinity : shown + PAGE;
    update();
  });
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    form.elements.search.focus();
  });
  update();
}
