// The clips and items: scores, facets, filters and orders. Nothing here touches the document.
"use strict";

const clipData = (() => {
  const isReadable = ([, rating, cue]) => rating !== null && cue !== null;
  const gatedScore = ([, rating, cue]) => (cue === "both" ? rating : 0);

  const scoreOf = ({ score }) => (score === null ? "none" : score === 0 ? "0" : score === 2 ? "full" : "part");
  const agreementOf = (item, readable) => {
    if (readable.length < 2) return [];
    if (!item.difference) return ["agree"];
    const scores = readable.map(gatedScore), range = Math.max(...scores) - Math.min(...scores);
    const cues = new Set(readable.map(([, , cue]) => cue));
    return ["differ", ...(range ? ["score", `score-${range}`] : []), ...(cues.size > 1 ? ["orientation"] : [])];
  };
  const statusOf = (item) => {
    if (item.answer === null) return [item.failure ? "failed" : "open"];
    const lacks = item.lacking.length || !item.verdicts.every(isReadable);
    return ["answered", ...(item.cut ? ["cut"] : []), ...(lacks ? ["lacking"] : [])];
  };

  // A facet is a filter with one choice; `of` returns the values that an item has.
  const FACETS = [
    { name: "model", label: "Model", options: (data) => data.models.map((each, place) => [`${place + 1}`, each.name]) },
    { name: "prompt", label: "Instruction", options: (data) => data.prompts.map((each, place) => [`${place + 1}`, `${place + 1}. ${each}`]) },
    { name: "score", label: "Score", options: () => [["0", "0"], ["part", "between 0 and 2"], ["full", "2"], ["none", "not scored"]] },
    { name: "orientation", label: "Orientation", options: () => ["both", "audio", "speech", "neither"].map((each) => [each, each]) },
    { name: "judges", label: "Judges", options: () => [
      ["agree", "agree"], ["differ", "differ"], ["score", "scores differ"], ["score-1", "scores differ by 1"],
      ["score-2", "scores differ by 2"], ["orientation", "orientations differ"],
    ] },
    { name: "status", label: "Status", options: () => [
      ["answered", "answered"], ["failed", "failed"], ["open", "not answered"], ["cut", "cut off"], ["lacking", "verdict missing or unreadable"],
    ] },
  ];
  const facetsOf = (item) => {
    const readable = item.verdicts.filter(isReadable);
    return {
      model: [`${item.model + 1}`],
      prompt: [`${item.prompt}`],
      score: [scoreOf(item)],
      orientation: [...new Set(readable.map(([, , cue]) => cue))],
      judges: agreementOf(item, readable),
      status: statusOf(item),
    };
  };

  // Returns the data with what the page derives from it; `raw` is unchanged.
  const prepare = (raw) => {
    const data = {
      ...raw,
      judgeNames: raw.judge_names,
      models: raw.models.map((each, place) => ({ ...each, place })),
      total: raw.items.length,
    };
    data.clips = raw.clips.map((clip, place) => ({ ...clip, place, items: [], cells: raw.models.map(() => []), difference: 0 }));
    data.places = new Map(data.clips.map((clip) => [clip.id, clip.place]));
    for (const given of raw.items) {
      const item = { ...given, facets: facetsOf(given) };
      const clip = data.clips[item.clip];
      clip.items.push(item);
      (clip.cells[item.model][item.prompt - 1] ??= []).push(item);
      clip.difference = Math.max(clip.difference, item.difference);
    }
    return data;
  };

  // Texts are put in lower case at the first search, not when the page is opened.
  const textOf = (item) => item.text ??=
    [item.answer ?? "", item.failure, ...item.verdicts.map((each) => each[3])].join("\n").toLowerCase();
  const textOfClip = (clip) => clip.text ??=
    [clip.id, clip.sound, clip.speech, clip.reference, clip.keywords, clip.audio_only, clip.speech_only, clip.known_issue]
      .join("\n").toLowerCase();

  const ORDERS = [
    ["", "data set order"], ["hardest", "hardest first"], ["easiest", "easiest first"], ["difference", "most disagreement first"],
  ];
  const ordersFor = (data) => (data.models.length < 2 ? ORDERS : [
    ...ORDERS, ...data.models.flatMap(({ name, place }) => [
      [`hardest-${place + 1}`, `hardest first for ${name}`], [`easiest-${place + 1}`, `easiest first for ${name}`],
    ]),
  ]);
  const sorted = (data, clips, order) => {
    const [kind, number] = order.split("-");
    if (kind === "difference") return [...clips].sort((a, b) => b.difference - a.difference);
    if (kind !== "hardest" && kind !== "easiest") return clips;
    const model = data.models[number - 1];
    const value = (clip) => (model ? model.scores[clip.place].mean : clip.mean);
    const sign = kind === "easiest" ? -1 : 1;
    return [...clips].sort((a, b) => { // clips without a score come last
      const one = value(a), other = value(b);
      return one === null || other === null ? (one === null) - (other === null) : sign * (one - other);
    });
  };

  // Finds the items that fit the filters, and how many items each option of a facet would leave.
  const search = (data, filters, order) => {
    const active = FACETS.filter(({ name }) => filters[name]), text = (filters.q ?? "").trim().toLowerCase();
    const counts = Object.fromEntries(FACETS.map(({ name }) => [name, new Map([["", 0]])]));
    const count = (name, value) => counts[name].set(value, (counts[name].get(value) ?? 0) + 1);
    const fitting = new Set(), clips = [];
    for (const clip of data.clips) {
      const before = fitting.size, named = !text || textOfClip(clip).includes(text);
      for (const item of clip.items) {
        if (!named && !textOf(item).includes(text)) continue;
        const missed = active.filter(({ name }) => !item.facets[name].includes(filters[name]));
        if (missed.length > 1) continue;
        if (!missed.length) fitting.add(item);
        for (const { name } of missed.length ? missed : FACETS) {
          count(name, "");
          for (const value of item.facets[name]) count(name, value);
        }
      }
      if (fitting.size > before || (!data.total && named)) clips.push(clip);
    }
    return { clips: sorted(data, clips, order), fitting, counts };
  };

  // How a model's answers to one instruction about a clip look in a cell; null if it was not asked.
  const looks = new WeakMap(); // by the items of a cell
  const cellOf = (data, clip, model, prompt) => {
    const items = clip.cells[model][prompt - 1];
    if (!items) return null;
    if (!looks.has(items)) {
      const [kind, text, label] = data.models[model].scores[clip.place].cells[prompt - 1];
      looks.set(items, { items, kind, text, label });
    }
    return looks.get(items);
  };

  const number = (value) => (value === null ? "–" : value.toFixed(2));

  // A model's answers about a clip, equal ones once, each with the verdicts of each judge.
  const answersOf = (data, clip, model) => {
    const groups = new Map();
    for (const item of clip.cells[model].flat()) {
      const key = item.answer === null ? `failed ${item.failure}` : `${item.cut} ${item.answer}`;
      if (!groups.has(key)) groups.set(key, { ...item, items: [] });
      groups.get(key).items.push(item);
    }
    return [...groups.values()].map((group) => ({ ...group, judged: judgedOf(group.items) }));
  };

  // Verdicts by judge; those with the same rating and orientation together.
  const judgedOf = (items) => {
    const judges = new Map();
    const add = (judge, key, verdict, item, text) => {
      if (!judges.has(judge)) judges.set(judge, new Map());
      const kinds = judges.get(judge);
      if (!kinds.has(key)) kinds.set(key, { ...verdict, of: [] });
      kinds.get(key).of.push({ item, text });
    };
    for (const item of items) {
      for (const verdict of item.verdicts) {
        const [judge, rating, cue, text] = verdict;
        const read = isReadable(verdict) ? { rating, cue } : { unreadable: true };
        add(judge, isReadable(verdict) ? `${rating} ${cue}` : "", read, item, text);
      }
      for (const [judge, reason] of item.lacking) add(judge, "lacking", { lacking: true }, item, reason);
    }
    return [...judges].sort(([a], [b]) => a - b).map(([judge, kinds]) => ({ judge, verdicts: [...kinds.values()] }));
  };

  return { FACETS, prepare, search, ordersFor, cellOf, answersOf, number };
})();
