// The sound of a clip: waveform over spectrogram, with the position of the player.
"use strict";

const html = htm.bind(preact.h);

const ClipSound = (() => {
  const { useEffect, useRef, useState } = preactHooks;
  const STEP = 0.25; // seconds that an arrow key moves

  const received = new Map(); // by address, in the app
  const receive = async (address) => {
    if (!received.has(address)) {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      received.set(address, await answer.json());
    }
    return received.get(address);
  };

  // What is seen of the sound; null until it is received, or if there is nothing.
  const useView = ({ sound_view: given }) => {
    const [view, setView] = useState(typeof given === "string" ? received.get(given) ?? null : given ?? null);
    useEffect(() => {
      if (typeof given !== "string" || view) return undefined;
      let wanted = true;
      receive(given).then((found) => wanted && setView(found)).catch(() => {});
      return () => { wanted = false; };
    }, [given]);
    return view;
  };

  const outline = (peaks) => {
    const upper = peaks.map((peak, place) => `${place} ${50 - peak / 2}`);
    const lower = peaks.map((peak, place) => `${place} ${50 + peak / 2}`).reverse();
    return `M${[...upper, ...lower].join("L")}Z`;
  };

  const ticksOf = (seconds) => {
    const step = [0.25, 0.5, 1, 2, 5, 10, 30, 60, 300].find((each) => seconds / each <= 10) ?? 600;
    return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, place) => place * step);
  };

  // The rows of a spectrogram are equally high on the mel scale.
  const HIGHEST = 8000; // Hz
  const heightOf = (hertz) => `${(100 * Math.log1p(hertz / 700)) / Math.log1p(HIGHEST / 700)}%`;
  const Frequencies = () => html`<div class="frequencies" aria-hidden="true">${[0, 1, 2, 4, 8].map((kilohertz) => html`
    <span style=${{ bottom: heightOf(1000 * kilohertz) }}>${kilohertz}${kilohertz === 8 ? " kHz" : ""}</span>`)}</div>`;

  const Picture = ({ view, percent }) => html`
    ${view.speech && html`<div class="spoken">
      ${view.speech.map(([start, end]) => html`
        <span style=${{ left: percent(start), width: percent(end - start) }}></span>`)}
    </div>`}
    ${view.waveform && html`<svg class="waveform" viewBox="0 0 ${view.waveform.length - 1} 100" preserveAspectRatio="none" aria-hidden="true">
      <path d=${outline(view.waveform)} /></svg>`}
    ${view.spectrogram && html`<img class="spectrogram" src=${view.spectrogram} alt="" draggable=${false} />`}`;

  return ({ clip, player }) => {
    const view = useView(clip), audio = useRef(null), block = useRef(null), cursor = useRef(null), clock = useRef(null);
    const [playing, setPlaying] = useState(false), [broken, setBroken] = useState(false);
    const seconds = view?.seconds ?? 0;
    const percent = (time) => `${seconds ? Math.min(100, (100 * time) / seconds) : 0}%`;

    const show = () => {
      const time = audio.current?.currentTime ?? 0;
      if (cursor.current) cursor.current.style.left = percent(time);
      if (clock.current) clock.current.textContent = `${time.toFixed(1)} / ${seconds.toFixed(1)} s`;
      block.current?.setAttribute("aria-valuenow", time.toFixed(1));
      block.current?.setAttribute("aria-valuetext", `${time.toFixed(1)} of ${seconds.toFixed(1)} seconds`);
    };
    const seek = (time) => {
      if (!audio.current) return;
      audio.current.currentTime = Math.max(0, Math.min(seconds, time));
      show();
    };
    const toggle = () => {
      if (!audio.current) return;
      if (audio.current.paused) audio.current.play().catch(() => setBroken(true));
      else audio.current.pause();
    };
    player.current = { toggle };

    useEffect(show, [seconds]);
    useEffect(() => {
      if (!playing) return undefined;
      let frame;
      const follow = () => {
        show();
        frame = requestAnimationFrame(follow);
      };
      follow();
      return () => cancelAnimationFrame(frame);
    }, [playing, seconds]);
    useEffect(() => {
      const element = audio.current;
      return () => element?.pause(); // an element that was removed would play on
    }, [clip.audio]);

    const at = (event) => {
      const { left, width } = block.current.getBoundingClientRect();
      return (seconds * (event.clientX - left)) / width;
    };
    const pointer = {
      onPointerDown: (event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        seek(at(event));
      },
      onPointerMove: (event) => event.buttons && seek(at(event)),
    };
    const onKeyDown = (event) => {
      const steps = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -Infinity, End: Infinity }[event.key];
      if (!steps || !audio.current) return;
      event.preventDefault();
      event.stopPropagation();
      seek(audio.current.currentTime + steps);
    };
    const control = clip.audio && {
      ...pointer, onKeyDown, role: "slider", tabindex: 0, "aria-label": "Position in the clip",
      "aria-valuemin": 0, "aria-valuemax": seconds.toFixed(1),
    };
    const picture = { role: "img", "aria-label": `Waveform and spectrogram, ${seconds.toFixed(1)} seconds` };

    if (!view && !clip.audio) {
      return clip.sound_view ? null : html`<p class="hint">No audio: the file is missing or has changed.</p>`;
    }
    return html`<div class="sound">
      ${view && html`<div class="picture" ref=${block} ...${control || picture}>
        <${Picture} view=${view} percent=${percent} />
        ${clip.audio && html`<i class="cursor" ref=${cursor}></i>`}
      </div>
      ${view.spectrogram && html`<${Frequencies} />`}
      <div class="seconds" aria-hidden="true">
        ${ticksOf(seconds).map((tick) => html`<span style=${{ left: percent(tick) }}>${tick}${tick ? "" : " s"}</span>`)}
      </div>`}
      <div class="row">
        ${clip.audio ? html`
          <button type="button" class="play" onClick=${toggle}>${playing ? "Pause" : "Play"} <kbd class="keys">p</kbd></button>
          <span class="hint" ref=${clock}></span>
          <audio src=${clip.audio} preload="metadata" ref=${audio} onPlay=${() => setPlaying(true)}
            onPause=${() => { setPlaying(false); show(); }} onEnded=${() => { setPlaying(false); show(); }}
            onSeeked=${show}></audio>
          ${broken && html`<span class="failed">The audio could not be played.</span>`}` : html`
          <span class="hint">The audio is not included.</span>`}
        ${view?.speech?.length > 0 && html`<span class="hint spoken-key">speech (estimated)</span>`}
      </div>
    </div>`;
  };
})();
