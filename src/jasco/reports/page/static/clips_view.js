// One clip: its sound, annotations, and the answers of some models side by side.
"use strict";

const { ClipView, Legend, Marker, Strip, foreign } = (() => {
  const { useLayoutEffect, useMemo, useRef, useState } = preactHooks;
  const LONG = 4000;

  // Characters that are invisible or change the text direction are shown by their code points.
  const foreign = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) =>
    one === "\n" || one === "\t" ? one : `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);

  const Marker = ({ model }) => html`<svg class="marker m${model.mark}" viewBox="0 0 16 16" aria-hidden="true"><use href="#marker-${model.mark}" /></svg>`;
  const Cell = ({ cell }) => html`<span class="cell ${cell.kind}" role="img" aria-label=${cell.label} title=${cell.label}>${cell.text}</span>`;

  // The cells of all instructions. There are thousands on a page: they have only a class and a text, and no component, and
  // are made again only if their data change or others are dimmed.
  const Strip = ({ data, clip, model, fitting }) => {
    const cells = data.prompts.map((_, place) => clipData.cellOf(data, clip, model, place + 1));
    const dimmed = cells.map((cell) => (fitting && cell && !cell.items.some((item) => fitting.has(item)) ? " dim" : ""));
    const nameCell = ({ target, currentTarget }) => {
      const place = [...currentTarget.children].indexOf(target);
      if (cells[place]) target.title = `Instruction ${place + 1}: ${cells[place].label}`;
    };
    return useMemo(() => {
      const label = cells.flatMap((cell, place) => (cell ? [`instruction ${place + 1}: ${cell.label}`] : [])).join("; ");
      return html`<span class="strip" role="img" aria-label="Scores: ${label || "none"}" onMouseOver=${nameCell}>${cells.map((cell, place) =>
        preact.h("span", cell ? { class: `cell ${cell.kind}${dimmed[place]}` } : null, cell?.text || null))}</span>`;
    }, [data, clip, model, dimmed.join()]);
  };

  const CUE_LABELS = { audio: "audio only", speech: "speech only", neither: "neither cue", both: "both cues, but wrong" };
  const Legend = ({ data }) => html`<ul class="legend">
    <li><span class="strip"><span class="cell s0"></span><span class="cell s4"></span><span class="cell s8"></span></span>score 0, 1, 2</li>
    ${Object.entries(CUE_LABELS).map(([cue, label]) => html`<li><span class="cell s0 ${cue}">${cue[0]}</span>0: ${label}</li>`)}
    ${data.judges.length > 1 && html`<li><span class="cell differ"></span>judges differ in rating or orientation</li>`}
    <li><span class="cell missing"></span>no verdict</li>
    <li><span class="cell missing failed">×</span>failed</li>
  </ul>`;

  // A text from outside with marks, cut if it is long. Marks are counted in code points.
  const Foreign = ({ text, marks = [], kind, as = "p" }) => {
    const [whole, setWhole] = useState(false);
    const cut = text.length > LONG && !whole, visible = cut ? text.slice(0, LONG) : text;
    const parts = [];
    if (marks.length) {
      const letters = [...visible];
      let at = 0;
      for (const [start, end] of marks.filter((each) => each[1] <= letters.length)) {
        parts.push(foreign(letters.slice(at, start).join("")), html`<mark>${foreign(letters.slice(start, end).join(""))}</mark>`);
        at = end;
      }
      parts.push(foreign(letters.slice(at).join("")));
    } else parts.push(foreign(visible));
    return html`<${as} class=${kind} dir="auto">${parts}${cut && html` <button type="button" class="quiet" onClick=${() => setWhole(true)}>
      … show all ${text.length.toLocaleString("en")} characters</button>`}<//>`;
  };

  const ANNOTATIONS = [
    ["sound", "sound"], ["speech", "speech"], ["reference", "reference answer"], ["keywords", "keywords"],
    ["audio_only", "audio-only answer"], ["speech_only", "speech-only answer"], ["known_issue", "known issue"],
  ];
  const Annotations = ({ clip }) => html`<dl class="cues">
    ${ANNOTATIONS.filter(([name]) => clip[name]).map(([name, label]) => html`
      <dt>${label}</dt><dd class="foreign" dir="auto">${foreign(name === "keywords" ? clip[name].replace(/,(?=\S)/g, ", ") : clip[name])}</dd>`)}
  </dl>`;

  const listed = (of, several) => {
    const prompts = of.map(({ item }) => (several ? `${item.prompt}.${item.sample}` : item.prompt));
    return `${prompts.length === 1 ? "instruction" : "instructions"} ${prompts.join(", ")}`;
  };

  // Equal verdicts of a judge; the texts are laid out when they are opened.
  const Verdict = ({ verdict, several, name, alone }) => {
    const [open, setOpen] = useState(false);
    const of = !alone && html`<span class="hint">${listed(verdict.of, several)}</span>`;
    if (verdict.lacking) {
      const reasons = [...new Set(verdict.of.map((each) => each.text))].filter(Boolean);
      return html`<div class="verdict">${name} <span class="failed">no verdict</span> ${of}
        ${reasons.map((each) => html` <${Foreign} text=${each} kind="soft foreign" as="span" />`)}</div>`;
    }
    const byText = new Map();
    for (const each of verdict.of) byText.set(each.text, [...(byText.get(each.text) ?? []), each]);
    return html`<details class="verdict" onToggle=${(event) => setOpen(event.currentTarget.open)}>
      <summary>${name} ${verdict.unreadable ? html`<span class="failed">unreadable</span>` : html`
        <span class="rated">rated ${verdict.rating}</span> <span class="badge ${verdict.cue}">${verdict.cue}</span>`} ${of}</summary>
      ${open && [...byText].map(([text, of]) => html`
        ${byText.size > 1 && html`<p class="hint">${listed(of, several)}</p>`}
        <${Foreign} key=${listed(of, several)} text=${text} kind="judged" as="pre" />`)}
    </details>`;
  };
  const Judge = ({ data, judge, verdicts, several }) => {
    const name = html`<span class="foreign judge" title=${foreign(data.judges[judge])}>${foreign(data.judgeNames[judge])}</span>`;
    const alone = verdicts.length === 1;
    return html`<div>${!alone && name}${verdicts.map((verdict) => html`
      <${Verdict} key=${`${verdict.rating} ${verdict.cue} ${verdict.lacking}`} verdict=${verdict} several=${several} name=${alone && name} alone=${alone} />`)}</div>`;
  };

  const Answer = ({ data, clip, model, group, chosen }) => {
    const several = data.models[model].samples > 1;
    const prompts = [...new Set(group.items.map((item) => item.prompt))];
    return html`<li class="given ${prompts.includes(chosen) ? "chosen" : ""}" data-prompts=${prompts.join(" ")}>
      <div class="asked">
        <span class="hint">${prompts.length === 1 ? "instruction" : "instructions"}</span>
        ${prompts.map((prompt) => html`<span class="prompt" title=${foreign(data.prompts[prompt - 1])}>${prompt}
          <${Cell} cell=${clipData.cellOf(data, clip, model, prompt)} /></span>`)}
        ${several && html`<span class="hint">${group.items.length === 1 ? `sample ${group.items[0].sample}` : `${group.items.length} samples`}</span>`}
      </div>
      ${group.answer === null ? html`<${Foreign} text=${group.failure ? `Failed: ${group.failure}` : "Not answered."} kind=${group.failure ? "failed" : "soft"} />`
        : group.answer === "" ? html`<p class="soft">(an empty answer)</p>`
          : html`<${Foreign} text=${group.answer} marks=${group.keywords} kind="answer" />`}
      ${group.cut && html`<p class="failed small">Cut off at the maximum length.</p>`}
      ${group.judged.length > 0 && html`<div class="verdicts">${group.judged.map(({ judge, verdicts }) => html`
        <${Judge} key=${judge} data=${data} judge=${judge} verdicts=${verdicts} several=${several} />`)}</div>`}
    </li>`;
  };

  const Column = ({ data, clip, model, chosen }) => {
    const { best, mean } = data.models[model].scores[clip.place];
    const groups = clipData.answersOf(data, clip, model);
    return html`<section class="answers" aria-label=${foreign(data.models[model].name)}>
      <header><h3 class="foreign"><${Marker} model=${data.models[model]} />${foreign(data.models[model].name)}</h3>
        <${Strip} data=${data} clip=${clip} model=${model} />
        <span class="hint">${best !== null && `best ${clipData.number(best)}, `}mean ${clipData.number(mean)}</span></header>
      <ul class="plain">${groups.map((group) => html`
        <${Answer} key=${`${group.prompt}.${group.sample}`} data=${data} clip=${clip} model=${model} group=${group} chosen=${chosen} />`)}</ul>
      ${!groups.length && html`<p class="soft">Not asked about this clip.</p>`}
    </section>`;
  };

  const Keys = ({ prompts }) => html`<dl class="keys">${[
    [["j", "→"], "next clip"], [["k", "←"], "previous clip"], [["p"], "play or pause"],
    [["d"], "next clip on which judges differ"], [["1", `${Math.min(9, prompts)}`], "answers to an instruction"],
    [["?"], "show these keys"], [["Esc"], "close"],
  ].map(([keys, what]) => html`<div>
    <dt>${keys.map((key, place) => html`${place > 0 && (key > "0" && key <= "9" ? " to " : " or ")}<kbd>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>`;

  // The view of a clip as a modal dialog. `step` moves by a number of clips, `toDifference` to the next disagreement.
  const ClipView = ({ data, clip, place, count, chosen, compared, setCompared, step, toDifference, choosePrompt, close }) => {
    const dialog = useRef(null), heading = useRef(null), player = useRef(null);
    const [keysShown, setKeysShown] = useState(false);
    useLayoutEffect(() => {
      dialog.current.showModal();
      heading.current.focus({ preventScroll: true });
    }, []);
    useLayoutEffect(() => {
      const group = chosen && dialog.current.querySelector(`[data-prompts~="${chosen}"]`);
      if (group) group.scrollIntoView({ block: "nearest" });
      else dialog.current.scrollTop = 0;
    }, [clip.id, chosen]);

    const actions = {
      j: () => step(1), ArrowRight: () => step(1), k: () => step(-1), ArrowLeft: () => step(-1),
      p: () => player.current?.toggle(), d: toDifference, "?": () => setKeysShown((before) => !before),
    };
    const onKeyDown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const prompt = /^[1-9]$/.test(event.key) && +event.key <= data.prompts.length ? +event.key : 0;
      const onControl = event.target.closest("button, summary, a, select, input");
      const action = event.key === " " && !onControl ? actions.p : prompt ? () => choosePrompt(prompt) : actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    const toggleModel = (model) => {
      const left = compared.filter((each) => each !== model);
      if (left.length) setCompared(left.length < compared.length ? left : [...compared, model].sort((a, b) => a - b));
    };
    return html`<dialog class="clip" ref=${dialog} aria-labelledby="clip-title" onKeyDown=${onKeyDown}
      onCancel=${(event) => { event.preventDefault(); close(); }} onMouseDown=${(event) => event.target === dialog.current && close()}>
      <header>
        <h2 id="clip-title" tabindex="-1" ref=${heading}>Clip <span class="foreign">${foreign(clip.id)}</span></h2>
        <span class="hint" role="status">${place < 0 ? "not among the clips shown" : `${place + 1} of ${count} shown`}</span>
        <div class="row">
          <button type="button" aria-label="Keys" class="keys" aria-expanded=${keysShown} onClick=${actions["?"]}>?</button>
          <button type="button" aria-label="Previous clip" disabled=${count < 2 && place >= 0} onClick=${actions.k}>←</button>
          <button type="button" aria-label="Next clip" disabled=${count < 2 && place >= 0} onClick=${actions.j}>→</button>
          <button type="button" aria-label="Close" onClick=${close}>×</button>
        </div>
        ${keysShown && html`<${Keys} prompts=${data.prompts.length} />`}
      </header>
      <div class="body">
        <${ClipSound} key=${clip.id} clip=${clip} player=${player} />
        <${Annotations} clip=${clip} />
        <div class="row">
          ${data.models.length > 1 && html`<div class="row" role="group" aria-label="Models shown">${data.models.map((model) => html`
            <button type="button" class="chip foreign" aria-pressed=${compared.includes(model.place)} onClick=${() => toggleModel(model.place)}>
              <${Marker} model=${model} />${foreign(model.name)}</button>`)}</div>`}
          <details class="all-prompts"><summary>All instructions that models are given</summary><ol>${data.prompts.map((each) => html`<li class="foreign">${foreign(each)}</li>`)}</ol></details>
        </div>
        <${Legend} data=${data} />
        <div class="compare">${compared.map((model) => html`<${Column} key=${`${clip.id} ${model}`} data=${data} clip=${clip} model=${model} chosen=${chosen} />`)}</div>
      </div>
    </dialog>`;
  };

  return { ClipView, Legend, Marker, Strip, foreign };
})();
