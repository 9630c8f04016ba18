// A camera's zones and lines, drawn over its picture: outline and name. Sizes are in the canvas's pixels.

const SAND = "240 216 178"
const ALARM = "255 122 112"
const PAD = 6 // CSS pixels between an outline and a name
const HATCH = 9 // CSS pixels between the strokes in an ignored zone
const ARROW = 9

/** Whether the camera has zones or lines. The engine leaves `lines` out if it does not know them. */
export const hasZones = ({ zones, lines }) => Object.keys(zones ?? {}).length + Object.keys(lines ?? {}).length > 0

/** Returns [x, y] of a unit vector that points to the left of a line, looking from its first point to its second. */
export function leftOf([[x1, y1], [x2, y2]]) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1
  return [(y2 - y1) / length, (x1 - x2) / length]
}

/**
 * Draws the zones and lines in a camera's settings. `result`: of the picture, or null; zones with people are filled.
 * `place`: the picture's rectangle on the canvas; `scale`: canvas pixels per CSS pixel; `alarmed`: names with an open
 * alert. Returns {zones: [{name, points,
 * ignore, occupied, alarmed}], lines: [{name, points, alarmed}], boxes: of the names}, as drawn.
 */
export function drawZones(canvas, settings, result, place, scale, alarmed) {
  const onCanvas = ([x, y]) => [place.x + x * place.width, place.y + y * place.height]
  const occupied = new Set((result?.people ?? []).flatMap((person) => person.zones ?? []))
  const zones = Object.entries(settings.zones ?? {}).map(([name, { points, ignore }]) => {
    return { name, points: points.map(onCanvas), ignore, occupied: occupied.has(name), alarmed: alarmed.has(name) }
  })
  const lines = Object.entries(settings.lines ?? {}).map(([name, { points }]) => {
    return { name, points: points.map(onCanvas), alarmed: alarmed.has(name) }
  })
  for (const zone of zones) drawZone(canvas, zone, scale)
  for (const line of lines) drawLine(canvas, line, scale)
  const names = new Names(canvas, place, scale)
  for (const { name, points, ignore } of zones) names.inZone(ignore ? `${name} · ignored` : name, points, ignore)
  for (const { name, points } of lines) names.atLine(name, points)
  return { zones, lines, boxes: names.boxes }
}

function drawZone(canvas, { points, ignore, occupied, alarmed }, scale) {
  trace(canvas, points, true)
  if (ignore) hatch(canvas, points, scale)
  else {
    canvas.fillStyle = `rgb(${alarmed ? ALARM : SAND} / ${occupied ? 0.17 : 0.05})`
    canvas.fill()
  }
  trace(canvas, points, true)
  const dashes = ignore ? [5 * scale, 4 * scale] : []
  const look = { dashes, colour: alarmed ? ALARM : SAND, width: alarmed ? 2.5 : occupied ? 2 : 1.5 }
  stroke(canvas, look, ignore ? 0.75 : 1, scale)
}

function drawLine(canvas, { points, alarmed }, scale) {
  const look = { dashes: [], colour: alarmed ? ALARM : SAND, width: alarmed ? 2.5 : 2 }
  trace(canvas, points, false)
  stroke(canvas, look, 1, scale)
  const [[x1, y1], [x2, y2]] = points
  const angle = Math.atan2(y2 - y1, x2 - x1)
  const wing = (turn) => [x2 - ARROW * scale * Math.cos(angle + turn), y2 - ARROW * scale * Math.sin(angle + turn)]
  trace(canvas, [wing(0.5), [x2, y2], wing(-0.5)], false)
  stroke(canvas, look, 1, scale)
}

function trace(canvas, points, closed) {
  canvas.beginPath()
  points.forEach(([x, y], index) => (index ? canvas.lineTo(x, y) : canvas.moveTo(x, y)))
  if (closed) canvas.closePath()
}

/** Light on dark, so that it shows on any picture. */
function stroke(canvas, { dashes, colour: ink, width }, strength, scale) {
  canvas.lineJoin = "round"
  for (const [colour, wide, pattern] of [
    [`rgb(0 0 0 / ${0.5 * strength})`, width + 2, []],
    [`rgb(${ink} / ${0.95 * strength})`, width, dashes],
  ]) {
    canvas.strokeStyle = colour
    canvas.lineWidth = wide * scale
    canvas.setLineDash(pattern)
    canvas.stroke()
  }
  canvas.setLineDash([])
}

/** Fill an outline with diagonal strokes, over a light shade. */
function hatch(canvas, points, scale) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  canvas.save()
  canvas.clip()
  canvas.fillStyle = "rgb(0 0 0 / 0.22)"
  canvas.fillRect(left, top, right - left, bottom - top)
  canvas.beginPath()
  for (let x = left - (bottom - top); x < right; x += HATCH * scale) {
    canvas.moveTo(x, bottom)
    canvas.lineTo(x + bottom - top, top)
  }
  canvas.strokeStyle = `rgb(${SAND} / 0.3)`
  canvas.lineWidth = scale
  canvas.stroke()
  canvas.restore()
}

/** Names on the picture. Each avoids those before it. */
class Names {
  constructor(canvas, place, scale) {
    this.canvas = canvas
    this.place = place
    this.scale = scale
    this.size = 12 * scale
    this.boxes = []
    canvas.font = `600 ${this.size}px system-ui, sans-serif`
  }

  /** Write a name as high in a zone as it fits, otherwise at the zone's upper left. */
  inZone(text, points, faint) {
    const { size, scale } = this
    const needed = this.canvas.measureText(text).width + 2 * PAD * scale
    const ys = points.map(([, y]) => y)
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)]
    const places = []
    for (let y = top + 4 * scale; y + size < bottom; y += size / 2) {
      const [upper, lower] = [widest(points, y), widest(points, y + size)]
      if (!upper || !lower) continue
      const [left, right] = [Math.max(upper[0], lower[0]), Math.min(upper[1], lower[1])]
      if (right - left > needed) places.push([left + PAD * scale, y])
    }
    if (!places.length) places.push([Math.min(...points.map(([x]) => x)), top])
    this.#write(text, places, faint)
  }

  /** Write a name beside the middle of a line. */
  atLine(text, points) {
    const { size, scale } = this
    const [[x1, y1], [x2, y2]] = points
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2]
    const width = this.canvas.measureText(text).width
    const beside = ([across, down], side) => {
      const off = 8 * scale
      return [x + side * across * (off + width / 2) - width / 2, y + side * down * (off + size / 2) - size / 2]
    }
    this.#write(text, [beside(leftOf(points), 1), beside(leftOf(points), -1)], false)
  }

  #write(text, places, faint) {
    const { canvas, place, size, scale } = this
    const width = canvas.measureText(text).width
    const inside = ([x, y]) => [
      Math.max(place.x + 3 * scale, Math.min(x, place.x + place.width - width - 3 * scale)),
      Math.max(place.y + 3 * scale, Math.min(y, place.y + place.height - size * 1.3)),
    ]
    const clear = ([x, y]) =>
      !this.boxes.some((box) => x < box[2] && x + width > box[0] && y < box[3] && y + size * 1.2 > box[1])
    const moved = places.map(inside)
    const [x, y] = moved.find(clear) ?? moved[0]
    this.boxes.push([x, y, x + width, y + size * 1.2])
    canvas.textBaseline = "top"
    canvas.lineJoin = "round"
    canvas.strokeStyle = "#000c"
    canvas.lineWidth = 3 * scale
    canvas.strokeText(text, x, y)
    canvas.fillStyle = `rgb(${SAND} / ${faint ? 0.8 : 1})`
    canvas.fillText(text, x, y)
  }
}

/** Returns [left, right] of the widest part of a polygon at this height, or undefined outside it. */
function widest(points, y) {
  const crossings = points
    .map((point, index) => [point, points[(index + 1) % points.length]])
    .filter(([[, y1], [, y2]]) => y1 > y !== y2 > y)
    .map(([[x1, y1], [x2, y2]]) => x1 + ((y - y1) / (y2 - y1)) * (x2 - x1))
    .sort((a, b) => a - b)
  const spans = crossings.flatMap((x, index) => (index % 2 ? [[crossings[index - 1], x]] : []))
  return spans.sort((a, b) => b[1] - b[0] - (a[1] - a[0]))[0]
}
