// The list of runs: filtering, and the number of runs that may be selected.
"use strict";

{
  const most = Number(document.currentScript.dataset.most);
  const find = document.getElementById("find");

  const showSelection = () => {
    for (const form of document.querySelectorAll("form.list")) {
      const boxes = [...form.querySelectorAll("input[name=run]")];
      const chosen = boxes.filter((each) => each.checked).length;
      for (const each of boxes) each.disabled = !each.checked && chosen >= most;
      const open = form.querySelector("[data-open]"), hint = form.querySelector("[data-hint]");
      if (!open) continue;
      open.disabled = chosen === 0;
      hint.hidden = false;
      hint.textContent = chosen === 0 ? `Select up to ${most} runs` : `${chosen} selected`;
    }
  };

  const filter = () => {
    const words = (find?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.querySelectorAll(".runs tbody tr")) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((each) => text.includes(each));
    }
    for (const section of document.querySelectorAll("main > section")) {
      const rows = [...section.querySelectorAll(".runs tbody tr")];
      section.hidden = rows.length > 0 && rows.every((each) => each.hidden);
    }
  };

  const show = () => {
    document.querySelector(".find")?.removeAttribute("hidden");
    showSelection();
    filter();
  };
  document.addEventListener("change", showSelection);
  document.addEventListener("input", filter);
  document.addEventListener("renewed", show);
  show();
}
