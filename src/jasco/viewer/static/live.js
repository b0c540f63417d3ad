// Keeps a page up to date without a reload: the reader's place, focus, choices, open details and
// sorting remain. The version of a page is "CONTENT.PAGE"; the clips belong to CONTENT.
"use strict";

{
  const PAUSE = 2000; // milliseconds
  const script = document.currentScript, state = script.dataset.state;
  let version = script.dataset.version;

  const showStatus = (line) => {
    const place = document.getElementById("live");
    if (place) place.textContent = line;
  };

  // --- what the reader has changed in the page is also true of the new page ---

  const keepChoice = (old, fresh) => {
    if (old.localName === "input" && ["checkbox", "radio"].includes(old.type)) {
      fresh.toggleAttribute("checked", old.checked);
    } else if (old.localName === "input") fresh.setAttribute("value", old.value);
  };
  const headingsOf = (table) => [...table.tHead?.rows[0].cells ?? []].map((each) => each.textContent);
  const isSameTable = (one, other) => headingsOf(one).join("\n") === headingsOf(other).join("\n");
  const sortingOf = (table) => {
    const heading = table.querySelector("th[aria-sort]");
    return heading?.querySelector("button") && { heading, down: heading.ariaSort === "descending" };
  };
  const sortAgain = ({ heading, down }) => {
    heading.removeAttribute("aria-sort");
    heading.querySelector("button").click(); // the first click sorts in descending order
    if (!down) heading.querySelector("button").click();
  };

  const callbacks = {
    beforeNodeMorphed: (old, fresh) => {
      if (old.nodeType !== Node.ELEMENT_NODE) return true;
      if (old.id === "live") return false;
      if (old.id === "clips") return false; // shows new content itself
      keepChoice(old, fresh);
      // The table's script has put a button into each heading.
      return !(old.localName === "th" && old.querySelector("button") && old.textContent === fresh.textContent);
    },
    // Added by the table's script.
    beforeNodeRemoved: (node) => !(node.matches?.("button.copy") && node.isConnected),
    beforeAttributeUpdated: (name, node) => {
      if (name === "open" && node.localName === "details") return false;
      return !(name === "aria-sort" && node.querySelector("button"));
    },
  };

  const morph = (page) => {
    const main = document.getElementById("main"), fresh = page.getElementById("main");
    const sorted = [...main.querySelectorAll("table.sortable")].map((table) => [table, sortingOf(table)]);
    Idiomorph.morph(main, fresh.innerHTML, { morphStyle: "innerHTML", callbacks });
    for (const [table, sorting] of sorted) if (sorting && table.isConnected) sortAgain(sorting);
    document.title = page.title;
  };

  // Keep the visible part of the page in place on the screen.
  const inPlace = (change) => {
    const anchor = scrollY && document.elementFromPoint(innerWidth / 2, innerHeight / 3);
    const top = anchor && anchor.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  };

  // The script of the clips; it is missing from pages without clips.
  const clipsOf = () => (typeof renewClips === "undefined" ? null : renewClips);
  const showClips = async (renew) => {
    const data = prepare(await unpack());
    return () => renew(data);
  };

  const renew = async (now) => {
    const answer = await fetch(location.pathname + location.search);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const hasClips = (each) => Boolean(each.getElementById("clips"));
    if (hasClips(page) !== hasClips(document)) {
      location.reload();
      return;
    }
    const clips = clipsOf(), isNew = now.split(".")[0] !== version.split(".")[0];
    const show = clips && isNew ? await showClips(clips) : () => {};
    inPlace(() => {
      morph(page);
      show();
      showStatus(`Up to date at ${new Date().toLocaleTimeString()}.`);
    });
    document.dispatchEvent(new Event("renewed"));
    version = now;
  };

  const poll = async () => {
    try {
      if (document.hidden) return;
      const answer = await fetch(state + location.search);
      const now = answer.ok ? await answer.text() : version;
      const isLoading = document.getElementById("clips") && !clipsOf();
      if (now !== version && !isLoading) await renew(now);
    } catch {
      inPlace(() => showStatus("The server cannot be reached; this is the last state received."));
    } finally {
      setTimeout(poll, PAUSE);
    }
  };
  setTimeout(poll, PAUSE);
}
