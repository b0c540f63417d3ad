// Keeps the page of a run in progress up to date, without changing the scroll position.
"use strict";

const PAUSE = 2000; // milliseconds
let version = document.currentScript.dataset.version;

// The parts of the page as sent by the server; this runs before any script has changed them.
const nameOf = (part) => part.id || part.getAttribute("aria-labelledby") || part.localName;
const partsOf = (page) => new Map([...page.getElementById("main").children].map((part) => [nameOf(part), part]));
let received = new Map([...partsOf(document)].map(([name, part]) => [name, part.outerHTML]));

const showStatus = (line) => {
  const place = document.getElementById("live");
  if (place) place.textContent = line;
};

// --- the state of a replaced part (open details, sorting, scrolling) is applied to the new one ---

const isSame = (one, other) =>
  one.localName === other.localName && one.textContent === other.textContent &&
  ["href", "aria-label"].every((name) => one.getAttribute(name) === other.getAttribute(name));
const counterpart = (one, within) => [...within.querySelectorAll(one.localName)].find((other) => isSame(one, other));

const carryOver = (old, fresh) => {
  for (const summary of old.querySelectorAll("details > summary")) {
    const other = counterpart(summary, fresh);
    if (other) other.parentNode.open = summary.parentNode.open;
  }
  const captions = [...fresh.querySelectorAll("caption")];
  for (const heading of old.querySelectorAll("th[aria-sort]")) {
    const title = heading.closest("table").caption.textContent;
    const caption = captions.find((each) => each.textContent === title);
    const button = caption?.closest("table").tHead.rows[0].cells[heading.cellIndex]?.querySelector("button");
    button?.click(); // the first click sorts in descending order
    if (heading.getAttribute("aria-sort") === "ascending") button?.click();
  }
  for (const each of old.querySelectorAll("[aria-label]")) {
    if (!each.scrollLeft) continue;
    const label = each.getAttribute("aria-label");
    const other = [...fresh.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === label);
    if (other) other.scrollLeft = each.scrollLeft;
  }
};

const swap = (page) => {
  const main = document.getElementById("main"), old = partsOf(document), fresh = partsOf(page);
  let place = main.firstElementChild;
  for (const [name, part] of fresh) {
    const existing = old.get(name);
    if (existing && (name === "clips" || received.get(name) === part.outerHTML)) {
      if (existing === place) place = place.nextElementSibling;
      else main.insertBefore(existing, place);
      continue;
    }
    const node = document.importNode(part, true);
    main.insertBefore(node, place);
    readyTables(node);
    if (!existing) continue;
    carryOver(existing, node);
    const focused = existing.contains(document.activeElement) ? counterpart(document.activeElement, node) : null;
    if (existing === place) place = place.nextElementSibling;
    existing.remove();
    focused?.focus({ preventScroll: true });
  }
  for (const [name, part] of old) if (!fresh.has(name)) part.remove();
  received = new Map([...fresh].map(([name, part]) => [name, part.outerHTML]));
};

// Keep the visible part of the page in place on the screen.
const inPlace = (change) => {
  const candidates = () => [...document.querySelectorAll("#main > *, #explorer tbody > *")];
  const top = (node) => node.getBoundingClientRect().top;
  const anchor = scrollY && candidates().reverse().find((node) => top(node) <= 0);
  const name = anchor && nameOf(anchor), at = anchor && top(anchor);
  change();
  const renewed = anchor && candidates().find((node) => nameOf(node) === name);
  if (renewed) scrollBy({ top: top(renewed) - at, behavior: "instant" });
};

const renew = async () => {
  const answer = await fetch("/");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const isReport = (each) => Boolean(each.getElementById("explorer"));
  if (!isReport(page) || !isReport(document)) {
    location.reload();
    return;
  }
  const data = await jascoClips.load();
  inPlace(() => {
    swap(page);
    jascoClips.update(data);
    showStatus(`Up to date at ${new Date().toLocaleTimeString()}.`);
  });
};

const poll = async () => {
  try {
    if (document.hidden) return;
    const answer = await fetch("/state");
    const now = answer.ok ? await answer.text() : version;
    if (now === version) return;
    await renew();
    version = now;
  } catch {
    inPlace(() => showStatus("The server cannot be reached; this is the last state received."));
  } finally {
    setTimeout(poll, PAUSE);
  }
};
setTimeout(poll, PAUSE);
