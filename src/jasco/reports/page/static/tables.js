// Sorting of tables with the class "sortable", and a button to copy each table.
"use strict";

const readyTables = (() => {
  const sorted = new Map(); // by caption: the column and the direction

  const cellText = (cell) => cell?.firstChild ? cell.firstChild.textContent.trim() : "";

  const sort = (table, { column, direction }) => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((each) => each.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", direction);
    const value = (row) => {
      const text = cellText(row.cells[column]), number = parseFloat(text);
      return Number.isNaN(number) ? text : number;
    };
    // Judges stay below their model.
    const groups = [];
    for (const row of table.tBodies[0].rows) {
      if (row.classList.contains("judge") && groups.length) groups.at(-1).push(row);
      else groups.push([row]);
    }
    const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1);
    const sign = direction === "descending" ? -1 : 1;
    groups.sort((a, b) => order(value(a[0]), value(b[0])) * sign);
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
    });
    const before = sorted.get(nameOf(table));
    if (before && before.column < table.tHead.rows[0].cells.length) sort(table, before);
  };

  const copyText = (table) => [...table.rows].map((row) =>
    [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim()).join("\t")).join("\n");

  const makeCopyable = (table) => {
    const place = table.closest(".scroll") ?? table;
    if (place.nextElementSibling?.matches("button.copy")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy quiet noprint";
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
    root.querySelectorAll("main table:not(.heat, .clips)").forEach(makeCopyable);
  };
})();

readyTables(document);
