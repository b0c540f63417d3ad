// The section of the clips: filters, one line for each clip, and the view of one clip.
"use strict";

const jascoClips = (() => {
  const { useEffect, useLayoutEffect, useMemo, useRef, useState } = preactHooks;
  const AT_ONCE = 100;

  // --- the address: "#clips?score=0", "#clip-9", "#clip-9-3?score=0" (instruction 3 of clip 9) ---

  const NAMES = ["q", ...clipData.FACETS.map(({ name }) => name)];

  const writeAddress = ({ open, filters, order }) => {
    const query = new URLSearchParams(NAMES.filter((name) => filters[name]).map((name) => [name, filters[name]]));
    if (order) query.set("sort", order);
    const place = open ? `clip-${encodeURIComponent(open.id)}${open.prompt ? `-${open.prompt}` : ""}` : "clips";
    return `#${place}${query.toString() && `?${query}`}`;
  };

  // Returns what an address says; null if it is not about clips. Filters are null if it names none.
  const readAddress = (hash, data) => {
    const [place, query] = hash.slice(1).split(/\?(.*)/s);
    let name = place;
    try { name = decodeURIComponent(place); } catch { /* a malformed address */ }
    const id = name.startsWith("clip-") ? name.slice(5) : null;
    const [, clip, prompt] = id?.match(/^(.*)-(\d+)$/s) ?? [];
    let open = null;
    if (data.places.has(id)) open = { id, prompt: 0 };
    else if (data.places.has(clip) && prompt >= 1 && prompt <= data.prompts.length) open = { id: clip, prompt: +prompt };
    else if (name !== "clips") return null;
    if (query === undefined) return { open, filters: null, order: null };
    const given = new URLSearchParams(query);
    const filters = Object.fromEntries(NAMES.map((each) => [each, given.get(each) ?? ""]));
    return { open, filters, order: given.get("sort") ?? "" };
  };

  // --- filters ---

  const ORDERED_BY = {
    difference: `Ordered by the item of a clip on which the judges disagree most: the range of their scores, plus the range
      of their ratings, plus the number of different orientations beyond the first.`,
  };

  const Filters = ({ data, filters, setFilters, found, order, setOrder }) => {
    const set = (name) => (event) => setFilters({ ...filters, [name]: event.currentTarget.value });
    const facets = clipData.FACETS.map((facet) => ({ ...facet, all: facet.options(data) }))
      .filter(({ name, all }) => all.length > 1 && (name !== "judges" || data.judges.length > 1));
    const active = facets.filter(({ name }) => filters[name]);
    const reset = () => setFilters({});
    const chips = [
      ...(filters.q ? [["q", `“${foreign(filters.q)}”`]] : []),
      ...active.map(({ name, label, all }) => [name, `${label}: ${foreign(all.find(([value]) => value === filters[name])?.[1] ?? filters[name])}`]),
    ];
    const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
    return html`<form class="filters noprint" role="search" aria-label="Filter the clips" onSubmit=${(event) => event.preventDefault()}>
      <label class="search">Search <input type="search" name="q" placeholder="in all texts" autocomplete="off" value=${filters.q ?? ""} onInput=${set("q")} /></label>
      ${facets.map(({ name, label, all }) => html`<label key=${name} class=${name}>${label}
        <select name=${name} value=${filters[name] ?? ""} onChange=${set(name)} class=${filters[name] ? "chosen" : ""}>
          <option value="">any (${found.counts[name].get("")})</option>
          ${all.map(([value, text]) => {
            const left = found.counts[name].get(value) ?? 0;
            return html`<option value=${value} disabled=${!left && filters[name] !== value}>${foreign(text)} (${left})</option>`;
          })}
        </select></label>`)}
      <label class="order">Order <select name="sort" value=${order} onChange=${(event) => setOrder(event.currentTarget.value)}>
        ${clipData.ordersFor(data).map(([value, text]) => html`<option value=${value}>${foreign(text)}</option>`)}</select></label>
      <div class="found row">
        <output role="status">${count(found.fitting.size, "item")} in ${found.clips.length.toLocaleString("en")} of ${count(data.clips.length, "clip")}</output>
        ${chips.map(([name, text]) => html`<button type="button" class="chip foreign" key=${name} aria-label="Remove the filter ${text}"
          onClick=${() => setFilters({ ...filters, [name]: "" })}>${text} ×</button>`)}
        ${chips.length > 0 && html`<button type="button" class="quiet" onClick=${reset}>Reset</button>`}
        ${ORDERED_BY[order] && html`<p class="hint">${ORDERED_BY[order]}</p>`}
      </div>
    </form>`;
  };

  // --- the table ---

  const ClipCells = ({ data, clip, only, fitting }) => html`<tr id=${`row-${clip.place}`} data-clip=${clip.place}>
    <th scope="row"><a class="foreign" href=${`#clip-${encodeURIComponent(clip.id)}`} aria-label="Clip ${foreign(clip.id)}">${foreign(clip.id)}</a></th>
    <td class="text foreign" dir="auto"><span>${foreign(clip.sound)}</span><span class="quoted">${clip.speech && `“${foreign(clip.speech)}”`}</span></td>
    ${data.models.map((model) => {
      const { best, mean } = model.scores[clip.place], hidden = only && model !== only;
      return html`<td class="scored" hidden=${hidden} data-model=${model.place}><span class="of foreign"><${Marker} model=${model} />${foreign(model.name)}</span>
        <${Strip} data=${data} clip=${clip} model=${model.place} fitting=${!hidden && fitting} />
        <span class="figures"><b data-label=${best === null ? "score" : "best"}>${clipData.number(best ?? mean)}</b>${best !== null && html`
          <small data-label="mean">${clipData.number(mean)}</small>`}</span></td>`;
    })}
  </tr>`;
  // A row changes only with its data, the only model shown, and which of its items fit.
  const ClipRow = ({ data, clip, only, fitting }) => {
    const fits = fitting && clip.items.map((item) => (fitting.has(item) ? 1 : 0)).join("");
    return useMemo(() => html`<${ClipCells} data=${data} clip=${clip} only=${only} fitting=${fitting} />`, [data, clip, only, fits]);
  };

  const Table = ({ data, only, found, openClip, order, setOrder, filtered }) => {
    const [count, setCount] = useState(AT_ONCE);
    useEffect(() => {
      const all = () => setCount(Infinity);
      window.addEventListener("beforeprint", all);
      return () => window.removeEventListener("beforeprint", all);
    }, []);
    const onClick = (event) => {
      const row = event.target.closest("tr[data-clip]"), cell = event.target.closest(".cell");
      if (!row || event.target.closest("a") || !getSelection().isCollapsed) return;
      openClip(data.clips[row.dataset.clip], cell && {
        prompt: [...cell.parentNode.children].indexOf(cell) + 1, model: +cell.closest("td").dataset.model,
      });
    };
    const cycle = ["hardest", "easiest", ""];
    const heading = (suffix) => {
      const now = cycle.find((kind) => kind && order === kind + suffix) ?? "";
      const next = cycle[(cycle.indexOf(now) + 1) % 3];
      return {
        sort: now === "hardest" ? "ascending" : now === "easiest" ? "descending" : "none",
        toggle: () => setOrder(next && next + suffix),
      };
    };
    const several = data.models.length > 1;
    const rest = found.clips.length - count;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Clips and scores">
      <table class="clips ${data.models.length > 3 && !only ? "many" : ""}" style=${{ "--prompts": data.prompts.length }} onClick=${onClick}>
        <caption class="unseen">Clips, with each model's score for each instruction, best score and mean</caption>
        <thead><tr>
          <th scope="col" aria-sort=${order ? "none" : "ascending"}><button type="button" onClick=${() => setOrder("")}>clip</button></th>
          <th scope="col" class="text">sound and speech</th>
          ${data.models.map((model) => {
            const { sort, toggle } = heading(several ? `-${model.place + 1}` : "");
            return html`<th scope="col" class="scored" hidden=${only && model !== only} aria-sort=${sort}><button type="button" onClick=${toggle}>
              <${Marker} model=${model} /><span class="foreign">${foreign(model.name)}</span></button>
              <span class="under" aria-hidden="true"><span class="strip">${data.prompts.map((prompt, place) => html`<abbr title=${foreign(prompt)}>${place + 1}</abbr>`)}</span>
              <span class="figures">${model.scores.some((each) => each.best !== null) ? html`<b>best</b> mean` : html`<b>score</b>`}</span></span></th>`;
          })}
        </tr></thead>
        <tbody>${found.clips.slice(0, count).map((clip) => html`
          <${ClipRow} key=${clip.place} data=${data} clip=${clip} only=${only} fitting=${filtered && found.fitting} />`)}</tbody>
      </table>
      ${!found.clips.length && html`<p class="soft">No clip fits the filters.</p>`}
    </div>
    ${rest > 0 && html`<button type="button" onClick=${() => setCount(count + AT_ONCE)}>Show ${Math.min(rest, AT_ONCE)} more clips of ${rest.toLocaleString("en")}</button>`}`;
  };

  // --- the section ---

  // As many models as fit side by side; others are chosen in the view of a clip.
  const compareAtFirst = () => [0, 1, 2].slice(0, Math.max(2, Math.floor(innerWidth / 400)));

  const Explorer = ({ data }) => {
    const [filters, setFilters] = useState({}), [order, setOrder] = useState("");
    const [open, setOpen] = useState(null), [compared, setCompared] = useState(compareAtFirst);
    const opener = useRef(null), began = useRef(false), latest = useRef(null);
    const only = data.models[filters.model - 1]; // its column is the only one, and its scores order the clips
    const orderShown = only && ["hardest", "easiest"].includes(order) ? `${order}-${filters.model}` : order;
    const found = useMemo(() => clipData.search(data, filters, orderShown), [data, filters, orderShown]);
    latest.current = { data, open };

    const clip = open && data.clips[data.places.get(open.id)];
    const place = clip ? found.clips.indexOf(clip) : -1;
    const columns = compared.filter((each) => each < data.models.length);

    useEffect(() => {
      const follow = () => {
        const address = readAddress(location.hash, latest.current.data);
        if (address?.open && !latest.current.open) opener.current = document.activeElement;
        setOpen(address?.open ?? null);
        if (address?.filters) {
          setFilters(address.filters);
          setOrder(address.order);
        }
        return address;
      };
      const address = follow();
      if (address && !address.open) document.getElementById("clips").scrollIntoView();
      window.addEventListener("hashchange", follow);
      return () => window.removeEventListener("hashchange", follow);
    }, []);
    useLayoutEffect(() => { // at once, or it would replace an address that the reader goes to meanwhile
      if (!began.current) { // the address was read, but the state is not set yet
        began.current = true;
        return;
      }
      const address = writeAddress({ open, filters, order });
      const isOurs = readAddress(location.hash, data) !== null;
      if (address !== location.hash && (isOurs || address !== "#clips")) history.replaceState(null, "", address);
    }, [open, filters, order]);

    const openClip = (each, at) => {
      if (at && !columns.includes(at.model)) setCompared([...columns.slice(0, -1), at.model].sort((a, b) => a - b));
      location.hash = writeAddress({ open: { id: each.id, prompt: at?.prompt }, filters, order });
    };
    const show = (each) => each && setOpen({ id: each.id, prompt: 0 });
    const step = (by) => show(found.clips[(Math.max(place, by > 0 ? -1 : 0) + by + found.clips.length) % found.clips.length]);
    const toDifference = () => {
      const after = [...found.clips.slice(place + 1), ...found.clips.slice(0, place + 1)];
      show(after.find((each) => each !== clip && each.difference));
    };
    const close = () => {
      setOpen(null);
      const row = document.querySelector(`#row-${clip.place} a`), before = opener.current;
      opener.current = null;
      const elsewhere = before?.isConnected && before !== document.body && !before.closest("#explorer");
      setTimeout(() => (elsewhere ? before : row)?.focus());
    };
    return html`
      <${Filters} data=${data} filters=${filters} setFilters=${setFilters} found=${found} order=${order} setOrder=${setOrder} />
      <${Legend} data=${data} />
      <${Table} data=${data} only=${only} found=${found} openClip=${openClip} order=${orderShown} setOrder=${setOrder}
        filtered=${found.fitting.size < data.total} />
      ${clip && html`<${ClipView} data=${data} clip=${clip} place=${place} count=${found.clips.length} chosen=${open.prompt}
        compared=${columns} setCompared=${setCompared} step=${step} toDifference=${toDifference}
        choosePrompt=${(prompt) => setOpen({ id: clip.id, prompt })} close=${close} />`}`;
  };

  // --- heat maps: elsewhere on the page, each an image with a column for each clip and a row for each instruction ---

  const cellAt = (event) => {
    const picture = event.target.closest(".heat")?.querySelector("svg[data-clips]");
    if (!picture) return null;
    const clips = JSON.parse(picture.dataset.clips), { left, top, width, height } = picture.getBoundingClientRect();
    const clip = clips[Math.floor(((event.clientX - left) / width) * clips.length)];
    const prompt = Math.floor(((event.clientY - top) / height) * picture.viewBox.baseVal.height) + 1;
    return clip !== undefined && prompt >= 1 && prompt <= picture.viewBox.baseVal.height ? { id: clip, prompt } : null;
  };
  document.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell) location.hash = writeAddress({ open: cell, filters: {}, order: "" });
  });
  document.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (cell) event.target.closest(".heat").title = `Clip ${foreign(cell.id)}, instruction ${cell.prompt}`;
  });

  // --- data ---

  // Returns the data: from the page itself, or in the app from the server.
  const load = async () => {
    const packed = document.getElementById("packed");
    if (!packed) {
      const answer = await fetch(`data.json${location.search}`);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return answer.json();
    }
    const bytes = Uint8Array.from(atob(packed.textContent), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  };

  // Shows new data; filters, the open clip, a playing sound and the focus are kept.
  let updates = 0;
  const root = document.getElementById("explorer");
  const update = (raw) => {
    updates += 1;
    if (root) preact.render(html`<${Explorer} data=${clipData.prepare(raw)} />`, root);
  };

  if (root) {
    root.textContent = "Loading …";
    load().then((raw) => updates || (root.textContent = "", update(raw))).catch((error) => {
      root.textContent = `The clips could not be loaded: ${error.message}`;
    });
  }
  return { load, update };
})();
