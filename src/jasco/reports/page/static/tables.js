// Sorting of tables with the class "sortable", and a button to copy each table.
"use strict";

const readyTables = (() => {
  const MISSING = "–"; // a figure that cannot be computed
  const sorted = new Map(); // by caption: the column and the direction

  // The texts of a cell, such as a figure and its interval.
  const textsOf = (node) => (node.nodeType === Node.TEXT_NODE ? [node.data.trim()] : [...node.childNodes].flatMap(textsOf)).filter(Boolean);

  const sort = (table, { column, direction }) => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((each, place) => each.setAttribute("aria-sort", place === column ? direction : "none"));
    const value = (row) => {
      const [text] = textsOf(row.cells[column]), number = parseFloat(text);
      return !text || text === MISSING ? null : Number.isNaN(number) ? text : number;
    };
    // Judges stay below their model.
    const groups = [];
    for (const row of table.tBodies[0].rows) {
      if (row.classList.contains("judge") && groups.length) groups.at(-1).push(row);
      else groups.push([row]);
    }
    const sign = direction === "descending" ? -1 : 1;
    const order = (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null); // missing figures are last
      return sign * (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1);
    };
    groups.sort((a, b) => order(value(a[0]), value(b[0])));
    table.tBodies[0].append(...groups.flat());
  };

  const nameOf = (table) => table.caption?.textContent ?? "";

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.querySelector("button")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.onclick = () => {
        const direction = heading.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
        sorted.set(nameOf(table), { column, direction });
        sort(table, { column, direction });
      };
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
    });
    const before = sorted.get(nameOf(table));
    if (before && before.column < table.tHead.rows[0].cells.length) sort(table, before);
  };

  // A text that a spreadsheet would compute begins with an apostrophe, except a figure with a sign.
  const FORMULA = /^[\p{Z}\p{C}"'`‘’“”]*[=+\-@]/u, FIGURE = /^[+-]?[\d.]+%?( \[[-+\d., ]*\])?$/;
  const inertText = (text) => (FORMULA.test(text.normalize("NFKC")) && !FIGURE.test(text) ? `'${text}` : text);
  const copyText = (table) => [...table.rows].map((row) => [...row.cells].filter((cell) => !cell.matches(".plotted"))
    .map((cell) => inertText(textsOf(cell).join(" ").replace(/\s+/g, " "))).join("\t")).join("\n");

  const makeCopyable = (table) => {
    const place = table.closest(".scroll") ?? table;
    if (place.nextElementSibling?.matches("button.copy")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy noprint";
    button.textContent = "Copy table";
    button.onclick = async () => {
      await navigator.clipboard.writeText(copyText(table));
      button.textContent = "Copied";
    };
    place.after(button);
  };

  // Makes the tables in a part of the page sortable and copyable; repeated calls change nothing else. Tables that
  // were sorted before their part was replaced are sorted again.
  return (root) => {
    root.querySelectorAll("table.sortable").forEach(makeSortable);
    if (!navigator.clipboard) return; // the browser considers the address insecure
    root.querySelectorAll("main table:not(.clips)").forEach(makeCopyable);
  };
})();

readyTables(document);
