// Keyboard shortcuts for listening and labelling. The pages also work without this script.
"use strict";

const sound = document.querySelector("audio");
const play = document.getElementById("play");
const seek = document.querySelector(".player input");

const playOrPause = () => {
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
labels?.querySelector("input:checked, input[type=radio]").focus({ preventScroll: true });

document.addEventListener("keydown", (event) => {
  const { target } = event;
  const form = target.closest("form");
  if (event.altKey && event.code === "KeyP" && sound) {
    event.preventDefault();
    playOrPause();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form) {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button.main"));
  } else if (form && "keys" in form.dataset && target.tagName !== "TEXTAREA") {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const choice = form.querySelector(`input[aria-keyshortcuts="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!choice) return;
    choice.checked = true;
    choice.focus();
  }
});

// Keep text that has not been sent, in case the server is restarted.
for (const form of document.querySelectorAll("form[data-draft]")) {
  const key = `${form.dataset.draft} ${location.pathname}`;
  form.text.value ||= sessionStorage.getItem(key) ?? "";
  form.text.addEventListener("input", () => sessionStorage.setItem(key, form.text.value));
}
