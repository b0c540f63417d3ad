// Sorts and copies tables, unpacks the clips and filters them.
// Texts of models, judges and participants are only ever set as text.
"use strict";

const el = (tag, props = {}, ...inside) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...inside.filter((each) => each !== null));
  return node;
};

// Characters that are invisible or change the text direction are shown as code points.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const shown = (text) =>
  text.replace(UNSEEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

const LONG = 4000;
const textBlock = (text, kind) => {
  const node = el("p", { className: kind, dir: "auto" });
  node.textContent = shown(text.slice(0, LONG));
  if (text.length > LONG) {
    const rest = el("button", { type: "button" }, `… show all ${text.length.toLocaleString("en")} characters`);
    rest.onclick = () => { node.textContent = shown(text); };
    node.append(" ", rest);
  }
  return node;
};

// --- tables ---

const cellText = (cell) => cell.firstChild ? cell.firstChild.textContent.trim() : "";

const sortBy = (table, column, heading) => {
  const down = heading.getAttribute("aria-sort") !== "descending";
  table.querySelectorAll("th[aria-sort]").forEach((each) => each.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => {
    const text = cellText(row.cells[column]), number = parseFloat(text);
    return Number.isNaN(number) ? text : number;
  };
  // Judges stay below their model.
  const groups = [];
  for (const row of table.tBodies[0].rows) {
    if (row.className === "judge" && groups.length) groups.at(-1).push(row);
    else groups.push([row]);
  }
  const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1);
  groups.sort((a, b) => order(value(a[0]), value(b[0])) * (down ? -1 : 1));
  table.tBodies[0].append(...groups.flat());
};

const readyTables = (root) => {
  for (const table of root.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = el("button", { type: "button" }, heading.textContent);
      button.onclick = () => sortBy(table, column, heading);
      heading.replaceChildren(button);
    });
  }
  if (!navigator.clipboard) return; // the browser considers the address insecure
  for (const table of root.querySelectorAll("main table:not(.heat)")) {
    const button = el("button", { type: "button", className: "copy noprint" }, "Copy table");
    button.onclick = async () => {
      const lines = [...table.rows].map((row) =>
        [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim()).join("\t"));
      await navigator.clipboard.writeText(lines.join("\n"));
      button.textContent = "Copied";
    };
    table.closest(".scroll").after(button);
  }
};

// --- the clips ---

const unpack = async () => {
  const packed = document.getElementById("packed");
  if (!packed) return (await fetch("data.json")).json();
  const bytes = Uint8Array.from(atob(packed.textContent), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
};

const GATE = 2; // index of "Both"
const gated = (verdict) => (verdict[1] === null || verdict[2] === null ? null : verdict[2] === GATE ? verdict[1] : 0);

const ORDERS = {
  "data set order": () => 0,
  "hardest first": (a, b) => a.mean - b.mean,
  "easiest first": (a, b) => b.mean - a.mean,
  "largest judge difference first": (a, b) => b.difference - a.difference,
};
const STATES = {
  "any": () => true,
  "answered": (item) => item.answer !== null,
  "failed": (item) => item.answer === null,
  "cut off": (item) => item.cut,
  "verdict missing or unreadable": (item) => item.scores.includes(null) || item.lacking,
};
const AGREEMENT = {
  "any": () => true,
  "differ": (item) => item.difference > 0,
  "differ in the score": (item) => new Set(item.scores.filter((each) => each !== null)).size > 1,
  "agree": (item) => item.difference === 0 && item.verdicts.length > 1,
};
const SCORES = {
  "any": () => true,
  "scored 0": (item) => item.mean !== null && item.mean < 0.5,
  "scored 1": (item) => item.mean >= 0.5 && item.mean < 1.5,
  "scored 2": (item) => item.mean >= 1.5,
  "not scored": (item) => item.mean === null,
};

const prepare = (data) => {
  const average = (all) => (all.length ? all.reduce((sum, each) => sum + each, 0) / all.length : null);
  for (const item of data.items) {
    item.scores = item.verdicts.map(gated);
    const known = item.scores.filter((each) => each !== null);
    item.mean = average(known);
    item.lacking = item.answer !== null && item.verdicts.length < data.models[item.model].judges;
    item.hay = [item.answer ?? "", ...item.verdicts.map((each) => each[3])].join("\n").toLowerCase();
  }
  data.clips.forEach((clip, place) => {
    clip.items = data.items.filter((item) => item.clip === place);
    clip.hay = [clip.id, clip.sound, clip.speech, clip.reference, clip.keywords, clip.audio_only, clip.speech_only]
      .join("\n").toLowerCase();
    const means = clip.items.map((item) => item.mean).filter((each) => each !== null);
    clip.mean = average(means) ?? 3;
    clip.difference = Math.max(0, ...clip.items.map((item) => item.difference));
  });
  return data;
};

const verdictView = (data, item, [judge, rating, orientation, text]) => {
  const verdict = rating === null || orientation === null ? "unreadable" : `${rating} · ${data.orientations[orientation]}`;
  const view = el("details", {}, el("summary", { className: "foreign" }, `${shown(data.judges[judge])}: ${verdict}`));
  view.dataset.of = `${item.prompt} ${item.sample} ${data.models[item.model].name} ${data.judges[judge]}`;
  view.addEventListener("toggle", () => {
    if (view.children.length === 1) view.append(textBlock(text, "judged"));
  }, { once: true });
  return view;
};

const answerView = (data, item) => {
  const model = data.models[item.model];
  const sample = model.samples > 1 ? `, sample ${item.sample} of ${model.samples}` : "";
  const name = el("strong", { className: "foreign" }, shown(model.name) + sample);
  const row = el("li", {}, name);
  if (item.answer === null) row.append(textBlock(item.failure || "not answered", "failed"));
  else row.append(textBlock(item.answer === "" ? "(an empty answer)" : item.answer, "answer"));
  if (item.cut) row.append(el("p", { className: "failed" }, "cut off at the maximum length"));
  const verdicts = el("div", { className: "verdicts" }, ...item.verdicts.map((each) => verdictView(data, item, each)));
  if (item.verdicts.length) row.append(verdicts);
  return row;
};

const clipView = (data, clip, items) => {
  const header = el("header", {}, el("h3", {}, `Clip ${clip.id}`));
  if (clip.audio) header.append(el("audio", { controls: true, preload: "none", src: clip.audio, ariaLabel: `Clip ${clip.id}` }));
  if (clip.spectrogram) {
    header.append(el("img", {
      className: "spectrogram", src: clip.spectrogram, loading: "lazy", width: 320, height: 80,
      alt: `Spectrogram of clip ${clip.id}: ${clip.seconds.toFixed(1)} s, 0 to 8 kHz`,
    }));
  }
  const cues = el("dl", { className: "cues" });
  for (const [name, text] of [
    ["sound", clip.sound], ["speech", clip.speech], ["reference answer", clip.reference], ["keywords", clip.keywords],
    ["audio-only answer", clip.audio_only], ["speech-only answer", clip.speech_only], ["known issue", clip.known_issue],
  ]) if (text) cues.append(el("dt", {}, name), el("dd", { dir: "auto" }, shown(text)));
  const view = el("article", { id: `clip-${clip.id}` }, header, cues);
  let prompt = 0, list = null;
  for (const item of items) {
    if (item.prompt !== prompt) {
      prompt = item.prompt;
      list = el("ul", { className: "answers" });
      view.append(el("p", { className: "prompt" }, `${prompt}. ${data.prompts[prompt - 1]}`), list);
    }
    list.append(answerView(data, item));
  }
  return view;
};

// Replaces the answers in an existing view: audio keeps playing, open verdicts stay open.
const refill = (view, fresh) => {
  const focused = view.contains(document.activeElement) ? document.activeElement.parentNode.dataset.of : null;
  const open = [...view.querySelectorAll("details[open]")].map((each) => each.dataset.of);
  [...view.children].slice(1).forEach((each) => each.remove());
  view.append(...[...fresh.children].slice(1));
  for (const each of view.querySelectorAll("details")) {
    each.open = open.includes(each.dataset.of);
    if (each.dataset.of === focused) each.firstChild.focus({ preventScroll: true });
  }
};

const AT_ONCE = 6;

const explore = (data) => {
  const form = document.getElementById("filters"), list = document.getElementById("list");
  const more = document.getElementById("more"), status = form.querySelector("output");
  const offer = (name, options) => {
    const chosen = form[name].selectedOptions[0]?.text;
    form[name].replaceChildren(...options.map(([value, text]) => new Option(text, value, false, text === chosen)));
  };
  const names = (table) => Object.keys(table).map((each) => [each, each]);
  const offerAll = () => {
    offer("model", [["", "all"], ...data.models.map((each, place) => [place, shown(each.name)])]);
    offer("clip", [["", "all"], ...data.clips.map((each) => [each.id, each.id])]);
    offer("prompt", [["", "all"], ...data.prompts.map((each, place) => [place + 1, `${place + 1}. ${each}`])]);
    offer("orientation", [["", "any"], ...data.orientations.map((each, place) => [place, each])]);
    offer("score", names(SCORES));
    offer("judges", names(AGREEMENT));
    offer("state", names(STATES));
    offer("order", names(ORDERS));
  };
  let found = [], count = AT_ONCE, views = new Map();
  const view = ([clip, items]) => {
    const holds = JSON.stringify([items, data.models, data.judges]), fresh = clipView(data, clip, items);
    const old = views.get(clip.id);
    if (!old || !old.node.firstChild.isEqualNode(fresh.firstChild)) return { holds, node: fresh };
    if (old.holds !== holds) refill(old.node, fresh);
    return { holds, node: old.node };
  };
  const show = () => {
    const now = found.slice(0, count);
    views = new Map(now.map((each) => [each[0].id, view(each)]));
    let place = list.firstChild;
    for (const { node } of views.values()) {
      if (node === place) place = place.nextSibling;
      else list.insertBefore(node, place);
    }
    while (list.children.length > views.size) list.lastChild.remove();
    more.hidden = count >= found.length;
  };
  const filter = () => {
    const want = Object.fromEntries(new FormData(form)), text = want.text.trim().toLowerCase();
    const fits = (item) =>
      (want.model === "" || item.model === +want.model) && (want.prompt === "" || item.prompt === +want.prompt) &&
      (want.orientation === "" || item.verdicts.some((each) => each[2] === +want.orientation)) &&
      SCORES[want.score](item) && AGREEMENT[want.judges](item) && STATES[want.state](item);
    found = [];
    let fitting = 0, answered = 0;
    for (const clip of [...data.clips].sort(ORDERS[want.order])) {
      if (want.clip && clip.id !== want.clip) continue;
      const named = !text || clip.hay.includes(text);
      const items = clip.items.filter((item) => fits(item) && (named || item.hay.includes(text)));
      if (items.length) found.push([clip, items]);
      fitting += items.length;
      answered += items.filter((item) => item.answer !== null).length;
    }
    show();
    const lacking = answered < fitting ? `, ${answered} of them answered` : "";
    status.textContent = `${fitting} of ${data.items.length} item${data.items.length === 1 ? "" : "s"}${lacking}, in ${found.length} of ${data.clips.length} clip${data.clips.length === 1 ? "" : "s"}`;
  };
  const afresh = () => {
    count = AT_ONCE;
    filter();
  };
  const follow = () => {
    const clip = decodeURIComponent(location.hash).replace(/^#clip-/, "");
    if (!data.clips.some((each) => location.hash && each.id === clip)) return;
    form.reset();
    form.clip.value = clip;
    afresh();
    document.getElementById(`clip-${clip}`)?.scrollIntoView();
  };
  form.addEventListener("input", afresh);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(afresh));
  more.addEventListener("click", () => {
    count += AT_ONCE;
    show();
  });
  window.addEventListener("hashchange", follow);
  offerAll();
  filter();
  follow();
  return (newer) => {
    data = newer;
    offerAll();
    filter();
  };
};

let renewClips = null; // shows new data; the app calls it while a run is in progress
readyTables(document);
if (document.getElementById("filters")) {
  unpack().then((data) => { renewClips = explore(prepare(data)); }).catch((error) => {
    document.querySelector("#filters output").textContent = `The clips could not be loaded: ${error.message}`;
  });
}
