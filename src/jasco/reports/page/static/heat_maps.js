// A click on a heat map opens the clip and the prompt of the cell. The table of clips, which can be
// used with a keyboard, contains the same scores.
"use strict";

const cellOfHeatMap = (event) => {
  const map = event.target.closest(".heat[data-clips] > svg:not(.marker)");
  if (!map) return null;
  const box = map.getBoundingClientRect(), { width, height } = map.viewBox.baseVal;
  const place = (at, from, size, count) => Math.min(count - 1, Math.max(0, Math.floor((at - from) / size * count)));
  const clip = JSON.parse(map.parentNode.dataset.clips)[place(event.clientX, box.left, box.width, width)];
  return { map, clip, prompt: place(event.clientY, box.top, box.height, height) + 1 };
};

document.addEventListener("click", (event) => {
  const cell = cellOfHeatMap(event);
  if (cell) location.hash = `#clip-${encodeURIComponent(cell.clip)}-${cell.prompt}`;
});
document.addEventListener("pointermove", (event) => {
  const cell = cellOfHeatMap(event);
  if (cell) cell.map.parentNode.title = `Clip ${cell.clip}, prompt ${cell.prompt}`;
});
