// Keeps the page of a run that is going on up to date, and the reader where they are.
"use strict";

const PAUSE = 2000; // milliseconds
let version = document.currentScript.dataset.state;

// The page's parts, as the server gave them: this runs before any script has changed them.
const nameOf = (part) => part.getAttribute("aria-labelledby") || part.id || part.localName;
const partsOf = (page) => new Map([...page.getElementById("main").children].map((part) => [nameOf(part), part]));
let given = new Map([...partsOf(document)].map(([name, part]) => [name, part.outerHTML]));

const tell = (line) => {
  const place = document.getElementById("live");
  if (place) place.textContent = line;
};

// --- what a reader has done to a part is done to the new one, too ---

const alike = (one, other) =>
  one.localName === other.localName && one.textContent === other.textContent &&
  ["href", "aria-label"].every((name) => one.getAttribute(name) === other.getAttribute(name));
const twin = (one, within) => [...within.querySelectorAll(one.localName)].find((other) => alike(one, other));

const carryOver = (old, fresh) => {
  for (const summary of old.querySelectorAll("details > summary")) {
    const other = twin(summary, fresh);
    if (other) other.parentNode.open = summary.parentNode.open;
  }
  const captions = [...fresh.querySelectorAll("caption")];
  for (const heading of old.querySelectorAll("th[aria-sort]")) {
    const title = heading.closest("table").caption.textContent;
    const caption = captions.find((each) => each.textContent === title);
    const button = caption?.closest("table").tHead.rows[0].cells[heading.cellIndex]?.querySelector("button");
    button?.click(); // the first one sorts downwards
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
    const there = old.get(name);
    if (there && (name === "clips" || given.get(name) === part.outerHTML)) {
      if (there === place) place = place.nextElementSibling;
      else main.insertBefore(there, place);
      continue;
    }
    const node = document.importNode(part, true);
    main.insertBefore(node, place);
    readyTables(node);
    if (!there) continue;
    carryOver(there, node);
    const focused = there.contains(document.activeElement) ? twin(document.activeElement, node) : null;
    if (there === place) place = place.nextElementSibling;
    there.remove();
    focused?.focus({ preventScroll: true });
  }
  for (const [name, part] of old) if (!fresh.has(name)) part.remove();
  given = new Map([...fresh].map(([name, part]) => [name, part.outerHTML]));
};

// What the reader looks at stays where it is on the screen.
const inPlace = (change) => {
  const candidates = () => [...document.querySelectorAll("#main > *, #list > *")];
  const top = (node) => node.getBoundingClientRect().top;
  const seen = scrollY && candidates().reverse().find((node) => top(node) <= 0);
  const name = seen && nameOf(seen), at = seen && top(seen);
  change();
  const again = seen && candidates().find((node) => nameOf(node) === name);
  if (again) scrollBy({ top: top(again) - at, behavior: "instant" });
};

const renew = async () => {
  const answer = await fetch("/");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const isReport = (each) => Boolean(each.getElementById("filters"));
  if (!isReport(page) || !isReport(document)) {
    location.reload();
    return;
  }
  const data = prepare(await unpack());
  inPlace(() => {
    swap(page);
    renewClips(data);
    tell(`Up to date at ${new Date().toLocaleTimeString()}.`);
  });
};

const look = async () => {
  try {
    if (document.hidden) return;
    const answer = await fetch("/state");
    const now = answer.ok ? await answer.text() : version;
    if (now === version || typeof renewClips !== "undefined" && !renewClips) return;
    await renew();
    version = now;
  } catch {
    inPlace(() => tell("The server cannot be reached: this is what was there last."));
  } finally {
    setTimeout(look, PAUSE);
  }
};
setTimeout(look, PAUSE);
