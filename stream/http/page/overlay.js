// Draws a result over its picture. Sizes are in the canvas's pixels.

import { relevanceColour, trackColour } from "./colours.js"
import { heldWords, isExperimental, percent, words } from "./words.js"

const INK = "#10131ad9"
const PAPER = "#eceff3"
const MIN_RELEVANCE = 0.12 // parts below are not drawn, because they would hide the relevant ones
const NARROW = 420 // CSS pixels; narrower pictures get short labels
const STATE_HEIGHT = 70 // CSS pixels; smaller people have no room for states

/** Whether a person's action matches the filter. Everyone matches an empty filter. */
export const matches = (person, filter) => !filter || (person.action?.label ?? "").replaceAll("_", " ").includes(filter)

/**
 * `place`: the picture's rectangle on the canvas, {x, y, width, height}. `look`: {scale (canvas pixels per CSS pixel),
 * filter, chosen (a track or null), states (for how many parts of the chosen person the state is shown), plain (only
 * the people's boxes and foot points)}. `taken`: boxes that labels must not cover. Returns the people's boxes as drawn, [{track, box: [x1, y1, x2, y2]}].
 */
export function drawPeople(canvas, result, place, look, taken = []) {
  const across = place.width / result.size[0]
  const down = place.height / result.size[1]
  const onCanvas = ([x1, y1, x2, y2]) => [
    place.x + x1 * across,
    place.y + y1 * down,
    place.x + x2 * across,
    place.y + y2 * down,
  ]
  const people = result.people.map((person) => ({ person, box: onCanvas(person.box) }))
  const isShown = ({ person }) => !look.plain && matches(person, look.filter)
  const [shown, faint] = [people.filter(isShown), people.filter((one) => !isShown(one))]
  for (const { person, box } of faint) strokeBox(canvas, box, trackColour(person.track, look.plain ? 0.8 : 0.4), look.scale)
  if (look.plain) {
    for (const { person } of people) if (person.foot) drawFoot(canvas, person, onCanvas([...person.foot, 0, 0]), look)
    return people.map(({ person, box }) => ({ track: person.track, box }))
  }
  for (const { person, box } of shown) drawParts(canvas, person, box, onCanvas, look)
  for (const { person, box } of shown) {
    const wide = person.track === look.chosen ? 2.5 : 1.75
    strokeBox(canvas, box, "#0009", (wide + 1.5) * look.scale)
    strokeBox(canvas, box, trackColour(person.track), wide * look.scale, person.guessed)
  }
  for (const thing of result.objects) drawObject(canvas, thing, onCanvas(thing.box), place, look)
  const plates = new Plates(
    place,
    people.map(({ box }) => box),
    taken,
  )
  for (const { person, box } of shown) drawAction(canvas, plates, person, box, look)
  for (const { person, box } of shown) drawStates(canvas, plates, person, box, onCanvas, look)
  return people.map(({ person, box }) => ({ track: person.track, box }))
}

/** A dot where a person stands. */
function drawFoot(canvas, person, [x, y], look) {
  canvas.beginPath()
  canvas.arc(x, y, 4 * look.scale, 0, 2 * Math.PI)
  canvas.fillStyle = trackColour(person.track)
  canvas.fill()
  canvas.strokeStyle = "#000c"
  canvas.lineWidth = 1.5 * look.scale
  canvas.stroke()
}

/** A thin box with its label inside. */
function drawObject(canvas, thing, [x1, y1, x2, y2], place, look) {
  strokeBox(canvas, [x1, y1, x2, y2], "#0008", 2.5 * look.scale)
  strokeBox(canvas, [x1, y1, x2, y2], `${PAPER}c0`, look.scale)
  const size = 10.5 * look.scale
  canvas.font = `500 ${size}px system-ui, sans-serif`
  const text = words(thing.label)
  const left = Math.min(x1 + 3 * look.scale, place.x + place.width - canvas.measureText(text).width)
  canvas.textBaseline = "bottom"
  canvas.strokeStyle = "#000b"
  canvas.lineWidth = 2.5 * look.scale
  canvas.lineJoin = "round"
  canvas.strokeText(text, left, y2 - look.scale)
  canvas.fillStyle = PAPER
  canvas.fillText(text, left, y2 - look.scale)
}

function drawParts(canvas, person, [, top, , bottom], onCanvas, look) {
  const finer = Math.min(1, Math.max(0.45, (bottom - top) / (140 * look.scale))) // lines must not hide small people
  const parts = person.parts
    .filter((part) => part.relevance >= MIN_RELEVANCE)
    .sort((a, b) => a.relevance - b.relevance)
  for (const part of parts) {
    const box = onCanvas(part.box)
    canvas.fillStyle = relevanceColour(part.relevance, (0.04 + 0.12 * part.relevance) * finer)
    canvas.fillRect(box[0], box[1], box[2] - box[0], box[3] - box[1])
    strokeBox(
      canvas,
      box,
      relevanceColour(part.relevance, 0.5 + 0.5 * part.relevance),
      (0.9 + 1.1 * part.relevance) * finer * look.scale,
    )
  }
}

function drawAction(canvas, plates, person, box, look) {
  const narrow = plates.place.width < NARROW * look.scale
  const size = (narrow ? 11 : 12.5) * look.scale
  const action = person.action
  const text = action ? words(action.label) : "…"
  const experimental = action && isExperimental(action.label)
  const score = action && !narrow ? percent(action.score) : ""
  const note = [experimental && "experimental", score, !narrow && heldWords(person)].filter(Boolean).join(" ")
  const font = `${experimental ? "italic " : ""}650 ${size}px system-ui, sans-serif`
  canvas.font = font
  const textWidth = canvas.measureText(text).width
  canvas.font = `400 ${size}px system-ui, sans-serif`
  const noteWidth = note ? canvas.measureText(note).width + size * 0.45 : 0
  const pad = size * 0.5
  const [width, height] = [textWidth + noteWidth + 2 * pad + 3 * look.scale, size * 1.6]
  const at = plates.find(
    width,
    height,
    [
      [box[0], box[1] - height - 2 * look.scale],
      [box[0], box[3] + 2 * look.scale],
      [box[0], box[1] + 2 * look.scale],
      [box[2] - width, box[1] - height - 2 * look.scale],
      [box[2] - width, box[3] + 2 * look.scale],
      [box[0], box[1] - 2 * height - 4 * look.scale],
      [box[0], box[3] + height + 4 * look.scale],
    ],
    true,
  )
  plate(canvas, at, width, height, 4 * look.scale)
  canvas.fillStyle = trackColour(person.track)
  canvas.fillRect(at[0], at[1] + 3 * look.scale, 3 * look.scale, height - 6 * look.scale)
  canvas.textBaseline = "middle"
  const [left, middle] = [at[0] + pad + 3 * look.scale, at[1] + height / 2 + 0.5 * look.scale]
  canvas.fillStyle = "#b4bdc9"
  canvas.fillText(note, left + textWidth + size * 0.45, middle)
  canvas.font = font
  canvas.fillStyle = PAPER
  canvas.fillText(text, left, middle)
}

function drawStates(canvas, plates, person, box, onCanvas, look) {
  if (box[3] - box[1] < STATE_HEIGHT * look.scale) return
  const labelled = person.parts
    .filter((part) => part.relevance >= MIN_RELEVANCE && part.states.length && part.states[0][0] !== "none")
    .sort((a, b) => b.relevance - a.relevance)
    .slice(0, look.chosen === person.track ? look.states : 1)
  const size = 11 * look.scale
  canvas.font = `500 ${size}px system-ui, sans-serif`
  canvas.textBaseline = "middle"
  for (const part of labelled) {
    const text = words(part.states[0][0])
    const [width, height] = [canvas.measureText(text).width + size, size * 1.5]
    const [x1, y1, x2, y2] = onCanvas(part.box)
    const middle = (y1 + y2 - height) / 2
    const gap = 3 * look.scale
    const at = plates.find(
      width,
      height,
      [
        [x2 + gap, middle],
        [x1 - width - gap, middle],
        [x1, y2 + gap],
        [x1, y1 - height - gap],
      ],
      false,
    )
    if (!at) continue
    plate(canvas, at, width, height, 4 * look.scale)
    canvas.strokeStyle = relevanceColour(part.relevance)
    canvas.lineWidth = look.scale
    canvas.stroke()
    canvas.fillStyle = PAPER
    canvas.fillText(text, at[0] + size / 2, at[1] + height / 2 + 0.5 * look.scale)
  }
}

function strokeBox(canvas, [x1, y1, x2, y2], colour, width, dashed = false) {
  canvas.strokeStyle = colour
  canvas.lineWidth = width
  canvas.setLineDash(dashed ? [4 * width, 3 * width] : [])
  canvas.beginPath()
  canvas.roundRect(x1, y1, x2 - x1, y2 - y1, Math.min(4 * width, (x2 - x1) / 4))
  canvas.stroke()
  canvas.setLineDash([])
}

function plate(canvas, [x, y], width, height, radius) {
  canvas.beginPath()
  canvas.roundRect(x, y, width, height, radius)
  canvas.fillStyle = INK
  canvas.fill()
}

/** Places labels so that they do not hide one another and, if possible, no people. */
class Plates {
  constructor(place, people, taken) {
    this.place = place
    this.people = people
    this.taken = [...taken]
  }

  /** Returns the first free place on the picture. A label that `must` be shown is moved onto the picture. */
  find(width, height, places, must) {
    const { place } = this
    const inside = ([x, y]) =>
      x >= place.x && y >= place.y && x + width <= place.x + place.width && y + height <= place.y + place.height
    const moved = ([x, y]) => [
      Math.max(place.x, Math.min(x, place.x + place.width - width)),
      Math.max(place.y, Math.min(y, place.y + place.height - height)),
    ]
    const clear = ([x, y], others) =>
      !others.some((other) => x < other[2] && x + width > other[0] && y < other[3] && y + height > other[1])
    const candidates = must ? places.map(moved) : places.filter(inside)
    const free = candidates.filter((at) => clear(at, this.taken))
    const at = (must && free.find((at) => clear(at, this.people))) || free[0] || (must ? candidates[0] : null)
    if (at) this.taken.push([at[0], at[1], at[0] + width, at[1] + height])
    return at
  }
}
