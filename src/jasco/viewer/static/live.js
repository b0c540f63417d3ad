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

  const callbacks = {
    beforeNodeMorphed: (old, fresh) => {
      if (old.nodeType !== Node.ELEMENT_NODE) return true;
      if (["live", "explorer"].includes(old.id)) return false; // filled by scripts
      // What the reader has chosen is also chosen in the new page.
      if (old.localName === "input" && old.type === "checkbox") fresh.toggleAttribute("checked", old.checked);
      else if (old.localName === "input") fresh.setAttribute("value", old.value);
      // The script of the tables has put a button into each heading.
      return !(old.localName === "th" && old.querySelector("button") && old.textContent === fresh.textContent);
    },
    beforeNodeRemoved: (node) => !node.matches?.("button.copy"),
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.localName === "details"),
  };

  const morph = (page) => {
    const fresh = page.getElementById("main").innerHTML;
    Idiomorph.morph(document.getElementById("main"), fresh, { morphStyle: "innerHTML", callbacks });
    document.title = page.title;
    if (typeof readyTables !== "undefined") readyTables(document); // sorts them again
  };

  // Keep the visible part of the page in place on the screen.
  const inPlace = (change) => {
    const anchor = scrollY && document.elementFromPoint(innerWidth / 2, innerHeight / 3);
    const top = anchor && anchor.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  };

  const renew = async (now) => {
    const answer = await fetch(location.pathname + location.search);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const hasClips = (each) => Boolean(each.getElementById("explorer"));
    if (hasClips(page) !== hasClips(document)) {
      location.reload();
      return;
    }
    const isNew = hasClips(page) && now.split(".")[0] !== version.split(".")[0];
    const data = isNew ? await jascoClips.load() : null;
    inPlace(() => {
      morph(page);
      if (data) jascoClips.update(data);
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
      if (now !== version) await renew(now);
    } catch {
      inPlace(() => showStatus("The server cannot be reached; this is the last state received."));
    } finally {
      setTimeout(poll, PAUSE);
    }
  };
  setTimeout(poll, PAUSE);
}
