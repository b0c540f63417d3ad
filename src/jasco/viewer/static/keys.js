// Keyboard shortcuts for listening and labelling. The pages also work without this script.
"use strict";

const sound = document.querySelector("audio");
const play = document.getElementById("play");
const seek = document.querySelector(".player input");

const playOrPause = () => {
  if (!sound) return;
  if (sound.paused) sound.play().catch(() => {}); // the player shows that the audio is missing
  else sound.pause();
};
if (play) { // simpler than the browser's own player, with a single tab stop
  const name = play.textContent;
  sound.controls = false;
  play.parentNode.hidden = false;
  if (play.autofocus) play.focus();
  play.addEventListener("click", playOrPause);
  const measure = () => { seek.max = sound.duration || 1; }; // the duration may be known already, or not yet
  measure();
  sound.addEventListener("loadedmetadata", measure);
  sound.addEventListener("timeupdate", () => { seek.value = sound.currentTime; });
  seek.addEventListener("input", () => { sound.currentTime = seek.value; });
  for (const event of ["play", "pause", "ended"]) {
    sound.addEventListener(event, () => {
      play.textContent = sound.paused ? name : "Pause";
      play.classList.toggle("playing", !sound.paused);
    });
  }
}

const labels = document.querySelector("form[data-keys]");
if (labels && !document.getElementById("error")) labels.focus({ preventScroll: true });

for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.hidden = false;
  opener.addEventListener("click", () => document.getElementById(opener.dataset.opens).showModal());
}

// Keys without Ctrl or Alt can be switched off: programs for speech input may type them by mistake.
const single = document.getElementById("single-keys");
if (single) {
  single.checked = localStorage.getItem("jasco-single-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("jasco-single-keys", single.checked ? "on" : "off"));
}

const choose = (key) => {
  const choice = labels.querySelector(`input[aria-keyshortcuts="${CSS.escape(key.toLowerCase())}"]`);
  if (!choice) return false;
  choice.checked = true;
  if (document.activeElement.type === "radio") choice.focus();
  else document.getElementById("chosen").textContent = choice.closest("label").textContent;
  return true;
};

const onSingleKey = (event) => {
  const { key, target } = event;
  const inControl = target.closest("input, select, audio, summary, [role=group], .scroll");
  if (target.closest("textarea, dialog, input:not([type=radio])") || (single && !single.checked)) return;
  if (key.startsWith("Arrow") && inControl) return; // moves within the control
  if (key === "p" && labels) playOrPause();
  else if (!labels || !choose(key)) document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.click();
};

document.addEventListener("keydown", (event) => {
  const { target } = event;
  const form = target.closest("form") ?? labels;
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey && event.code === "KeyP" && sound) {
    event.preventDefault();
    playOrPause();
  } else if (event.key === "Enter" && control && form) {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button.main"));
  } else if (event.key === "z" && control && !target.closest("textarea, input")) {
    document.querySelector("[data-key=u]")?.click();
  } else if (!control && !event.altKey && !event.repeat) {
    onSingleKey(event);
  }
});

// Keep text that has not been sent, in case the server is restarted.
for (const form of document.querySelectorAll("form[data-draft]")) {
  const key = `${form.dataset.draft} ${location.pathname}`;
  form.text.value ||= sessionStorage.getItem(key) ?? "";
  form.text.addEventListener("input", () => sessionStorage.setItem(key, form.text.value));
}
