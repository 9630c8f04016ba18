// What the detector looked at, drawn over the picture: its regions, and which of the four kinds of look it was.

import { plural } from "./words.js"

const FRESH_US = 350e3 // for so long, looks are drawn at full strength: the engine looks at 3 frames a second at least
const FADED_US = 800e3
const KINDS = ["whole", "regions", "nothing", "skipped"]
const TEXTS = { whole: "whole picture", regions: "regions", nothing: "nothing moves", skipped: "skipped" }
const PAPER = [236, 239, 243]

/** The latest looks of a camera's epoch. Results must be added in order. */
export class LatestLooks {
  #epoch = 0
  #latest = { seenUs: {}, regions: [] }

  /** Returns, as of this result, when each kind of look was last (media time), and the last regions. */
  add(result) {
    if (result.epoch !== this.#epoch) this.#latest = { seenUs: {}, regions: [] }
    this.#epoch = result.epoch
    const kind = result.look ?? "whole"
    const seenUs = { ...this.#latest.seenUs, [kind]: result.media_time_us }
    this.#latest = { seenUs, regions: kind === "regions" ? (result.regions ?? []) : this.#latest.regions }
    return this.#latest
  }
}

/**
 * Draws the latest looks at a result. `place`: the picture's rectangle on the canvas; `scale`: canvas pixels per CSS
 * pixel. Returns {kinds: [kinds drawn as lit], regions: [boxes as drawn], box: of the line of text}.
 */
export function drawDetector(canvas, result, looks, place, scale) {
  const strength = (kind) =>
    Math.min(1, Math.max(0, 1 - (result.media_time_us - looks.seenUs[kind] - FRESH_US) / (FADED_US - FRESH_US))) || 0
  const [across, down] = [place.width / result.size[0], place.height / result.size[1]]
  const regions = strength("regions") ? looks.regions : []
  const boxes = regions.map(([x1, y1, x2, y2]) => [
    place.x + x1 * across,
    place.y + y1 * down,
    place.x + x2 * across,
    place.y + y2 * down,
  ])
  for (const box of boxes) outline(canvas, box, strength("regions"), scale)
  const inset = 1.5 * scale
  const whole = [place.x + inset, place.y + inset, place.x + place.width - inset, place.y + place.height - inset]
  if (strength("whole")) outline(canvas, whole, strength("whole"), scale)
  const texts = KINDS.map((kind) => ({
    text: kind === "regions" && boxes.length ? plural(boxes.length, "region") : TEXTS[kind],
    strength: strength(kind),
  }))
  const box = drawTexts(canvas, texts, place, scale)
  return { kinds: KINDS.filter((kind) => strength(kind) > 0), regions: boxes, box }
}

/** A thin line, light on dark, so that it shows on any picture. */
function outline(canvas, [x1, y1, x2, y2], strength, scale) {
  for (const [colour, width] of [
    [`rgb(0 0 0 / ${0.45 * strength})`, 3],
    [`rgb(${PAPER.join(" ")} / ${0.9 * strength})`, 1],
  ]) {
    canvas.strokeStyle = colour
    canvas.lineWidth = width * scale
    canvas.strokeRect(x1, y1, x2 - x1, y2 - y1)
  }
}

/** Write the kinds of looks in the upper right corner, each as bright as its look is recent. */
function drawTexts(canvas, texts, place, scale) {
  const [size, pad, gap] = [11 * scale, 6 * scale, 10 * scale]
  canvas.font = `550 ${size}px system-ui, sans-serif`
  canvas.textBaseline = "middle"
  const widths = texts.map(({ text }) => canvas.measureText(text).width)
  const width = widths.reduce((sum, one) => sum + one, 0) + gap * (texts.length - 1) + 2 * pad
  const height = size * 1.7
  const [left, top] = [place.x + place.width - width - pad, place.y + pad]
  canvas.fillStyle = "#10131ad9"
  canvas.beginPath()
  canvas.roundRect(left, top, width, height, 4 * scale)
  canvas.fill()
  let at = left + pad
  texts.forEach(({ text, strength }, index) => {
    canvas.fillStyle = `rgb(${PAPER.join(" ")} / ${0.4 + 0.6 * strength})`
    canvas.fillText(text, at, top + height / 2 + 0.5 * scale)
    at += widths[index] + gap
  })
  return [left, top, left + width, top + height]
}
