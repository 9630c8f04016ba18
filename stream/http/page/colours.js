// The colours of what is drawn: a ramp for relevance that is read right in grey too (its lightness rises), colours of
// people that can't be taken for it, and one for each action on a timeline. The same as in annotated videos. Pure.

/** `relevance` 0 … 1: from violet over red to yellow. */
export function relevanceColour(relevance, alpha = 1) {
  const at = Math.min(1, Math.max(0, relevance))
  return oklch(0.44 + 0.48 * at, 0.19 - 0.03 * at, 295 + 170 * at, alpha)
}

/** A person's, as unlike their neighbours' as green to blue allows. */
export function trackColour(track, alpha = 1) {
  return oklch(track % 2 ? 0.83 : 0.72, 0.13, 145 + 135 * ((track * 0.6180339887) % 1), alpha)
}

/** An action's: always the same for the same name. */
export function actionColour(label) {
  let hash = 7
  for (const letter of label) hash = (hash * 31 + letter.charCodeAt(0)) % 3600
  return oklch(0.78, 0.1, hash / 10, 1)
}

function oklch(lightness, chroma, hue, alpha) {
  return `oklch(${lightness.toFixed(3)} ${chroma.toFixed(3)} ${(hue % 360).toFixed(1)} / ${alpha})`
}
