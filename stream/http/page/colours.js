// Colours, as in annotated videos: a ramp for relevance, whose lightness rises so that it also works in greyscale;
// other hues for people; and a colour for each action in the timeline.

/** `relevance` 0 … 1: from violet over red to yellow. */
export function relevanceColour(relevance, alpha = 1) {
  const at = Math.min(1, Math.max(0, relevance))
  return oklch(0.44 + 0.48 * at, 0.19 - 0.03 * at, 295 + 170 * at, alpha)
}

/** A person's colour, from green to blue, as different as possible from those of neighbouring numbers. */
export function trackColour(track, alpha = 1) {
  return oklch(track % 2 ? 0.83 : 0.72, 0.13, 145 + 135 * ((track * 0.6180339887) % 1), alpha)
}

/** An action's colour, which depends on its name only. */
export function actionColour(label) {
  let hash = 7
  for (const letter of label) hash = (hash * 31 + letter.charCodeAt(0)) % 3600
  return oklch(0.78, 0.1, hash / 10, 1)
}

function oklch(lightness, chroma, hue, alpha) {
  return `oklch(${lightness.toFixed(3)} ${chroma.toFixed(3)} ${(hue % 360).toFixed(1)} / ${alpha})`
}
