// Keeps a page up to date without a reload: the reader's place, focus, choices, open details and
// sorting remain. The version of a report is "CONTENT.PROGRESS".
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

  // Parts are recognised by their ids. Those without an id get one that follows from their heading.
  const PARTS = ".card, .card > div, details, table, figure";
  const nameParts = (root) => {
    const seen = new Map();
    for (const part of root.querySelectorAll(PARTS)) {
      if (part.id && !part.id.startsWith("part-") || part.closest("#explorer")) continue;
      const text = part.querySelector("summary, caption, h2, h3, h4")?.textContent ?? "";
      const id = `part-${part.localName}-${text.replace(/\W+/g, "-").slice(0, 80)}`;
      seen.set(id, (seen.get(id) ?? 0) + 1);
      part.id = `${id}-${seen.get(id)}`;
    }
  };

  const morph = (place, fresh) => {
    nameParts(place);
    nameParts(fresh);
    Idiomorph.morph(place, fresh.childNodes, { morphStyle: "innerHTML", callbacks });
    if (typeof readyTables !== "undefined") readyTables(document); // sorts them again
  };

  // Keep the first visible part of the page in place on the screen: its innermost part that remains.
  const firstVisible = () => {
    const main = document.getElementById("main");
    for (let y = 80; y < innerHeight; y += 30) { // below the bar
      const node = document.elementFromPoint(innerWidth / 2, y);
      if (node && node !== main && main.contains(node)) return node;
    }
    return null;
  };
  const inPlace = (change) => {
    const before = [];
    let node = scrollY ? firstVisible() : null;
    for (; node && node.id !== "main"; node = node.parentElement) before.push([node, node.getBoundingClientRect().top]);
    change();
    const [anchor, top] = before.find(([each]) => each.isConnected) ?? [];
    if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  };

  const problemOf = (status) => status === 404 ? "The runs can no longer be found" : `The server reports an error (status ${status})`;
  const get = async (address) => {
    const answer = await fetch(address).catch(() => { throw new Error("The server cannot be reached"); });
    if (!answer.ok) throw new Error(problemOf(answer.status));
    return answer.text();
  };
  const load = async (address) => new DOMParser().parseFromString(await get(address), "text/html");

  const renewProgress = async () => {
    const part = await load("progress");
    inPlace(() => morph(document.getElementById("progress"), part.body));
  };

  const renewPage = async () => {
    const page = await load(location.pathname + location.search);
    const hasClips = (each) => Boolean(each.getElementById("explorer"));
    if (hasClips(page) !== hasClips(document)) {
      location.reload();
      return;
    }
    const data = hasClips(page) ? await jascoClips.load() : null;
    inPlace(() => {
      morph(document.getElementById("main"), page.getElementById("main"));
      document.title = page.title;
      if (data) jascoClips.update(data);
    });
  };

  const isSameContent = (now) => now.includes(".") && now.split(".")[0] === version.split(".")[0];

  let failed = false;
  const poll = async () => {
    try {
      if (document.hidden) return;
      const now = await get(state + location.search);
      if (now === version && !failed) return;
      if (now !== version) await (isSameContent(now) ? renewProgress() : renewPage());
      version = now;
      failed = false;
      showStatus(`Up to date at ${new Date().toLocaleTimeString()}.`);
      document.dispatchEvent(new Event("renewed"));
    } catch (error) {
      failed = true;
      inPlace(() => showStatus(`${error.message}; this is the last state received.`));
    } finally {
      setTimeout(poll, PAUSE);
    }
  };
  setTimeout(poll, PAUSE);
}
