"""Looks of the report's page, and the one script in it: tables that sort, a search that steps."""

STYLE = """
:root { --ink: #1a1a1a; --paper: #ffffff; --faint: #666; --line: #ccc; --note: #fff4d6; --edge: #b58900; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --faint: #a0a0a0; --line: #444; --note: #33301f; --edge: #d9a800; }
}
body { font: 16px/1.45 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.4rem; }
.answer { font-size: 1.15rem; margin: .5rem 0; }
.provenance { background: var(--note); border-left: 4px solid var(--edge); padding: .5rem .8rem; }
figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .88rem; margin-top: .3rem; }
figcaption b { color: var(--ink); }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
summary { cursor: pointer; padding: .2rem 0; }
.wide { overflow-x: auto; max-height: 40rem; overflow-y: auto; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; }
th { border-bottom: 1px solid var(--faint); font-weight: 600; position: sticky; top: 0; background: var(--paper); }
td.n { font-variant-numeric: tabular-nums; text-align: right; }
tbody tr:nth-child(even) { background: color-mix(in srgb, var(--ink) 5%, transparent); }
code { font-size: .82rem; word-break: break-all; }
.steps input { width: min(30rem, 70%); vertical-align: middle; } .steps output { margin-left: .6rem; }
th[data-sorts] { cursor: pointer; }
@media print {
  :root { --ink: #000; --paper: #fff; --faint: #444; --line: #999; --note: #fff; --edge: #000; }
  body { max-width: none; margin: 0; font-size: 11px; } .wide { max-height: none; overflow: visible; }
  figure, tr { break-inside: avoid; } .steps input { display: none; }
}
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const heads = table.querySelectorAll("th"), body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.dataset.sorts = "";
    head.addEventListener("click", () => {
      const down = head.dataset.sorts !== "down", rows = [...body.rows];
      heads.forEach((other) => { other.dataset.sorts = ""; });
      head.dataset.sorts = down ? "down" : "up";
      const key = (row) => row.cells[column].textContent;
      rows.sort((a, b) => {
        const x = key(a), y = key(b), p = parseFloat(x), q = parseFloat(y);
        const order = isNaN(p) || isNaN(q) ? x.localeCompare(y, "en", { numeric: true }) : p - q;
        return down ? order : -order;
      });
      body.append(...rows);
    });
  });
}
for (const steps of document.querySelectorAll(".steps")) {
  const slider = steps.querySelector("input"), told = steps.querySelector("output");
  const shown = [...steps.querySelectorAll("figure")];
  slider.max = shown.length - 1;
  const show = () => {
    shown.forEach((one, k) => { one.hidden = k !== Number(slider.value); });
    told.textContent = (Number(slider.value) + 1) + " of " + shown.length;
  };
  slider.addEventListener("input", show);
  slider.hidden = false;
  show();
}
"""
