// The list of events, newest first, each with a picture of that moment.

import { child } from "./elements.js"
import { actionWords, clockTime, duration, words } from "./words.js"

const MAX_EVENTS = 60
const PICTURE_WITHIN_MS = 1500 // the picture arrives about the same time as the event, if it was requested
const THUMB = { width: 128, height: 96 }

export class EventsList {
  /** Calls `on.open(camera, track)` when an event is selected. */
  constructor(list, placeholder, on) {
    this.list = list
    this.placeholder = placeholder
    this.on = on
    this.events = []
    this.filter = ""
    this.camera = null
  }

  add(event) {
    const row = document.createElement("li")
    const button = child(row, "button", "event")
    button.type = "button"
    button.addEventListener("click", () => this.on.open(event.camera, event.track))
    const thumb = child(button, "canvas", "thumb")
    Object.assign(thumb, THUMB)
    thumb.setAttribute("aria-hidden", "true")
    const text = child(button, "span")
    child(text, "div", "what", describe(event))
    const where = child(text, "div", "where")
    child(where, "span", "", `${event.camera} · #${event.track}`)
    child(where, "span", "", clockTime(event.capture_us))
    this.events.unshift({ event, row, thumb, arrivedAt: performance.now(), hasPicture: false })
    for (const old of this.events.splice(MAX_EVENTS)) old.row.remove()
    this.list.prepend(row)
    this.#show(this.events[0])
    this.#count()
  }

  /** Show only events whose action contains this text, and only of this camera if it is not null. */
  choose(filter, camera) {
    if (filter === this.filter && camera === this.camera) return
    this.filter = filter
    this.camera = camera
    for (const one of this.events) this.#show(one)
    this.#count()
  }

  #show({ event, row }) {
    const fits =
      !this.filter || words(event.label).includes(this.filter) || words(event.previous ?? "").includes(this.filter)
    row.hidden = !fits || (this.camera !== null && event.camera !== this.camera)
  }

  #count() {
    this.placeholder.hidden = this.events.some(({ row }) => !row.hidden)
  }

  /** Use a picture that was drawn as the thumbnail of the events of that moment. */
  drawn(camera, bitmap, epoch, frame) {
    const now = performance.now()
    for (const one of this.events) {
      if (now - one.arrivedAt > PICTURE_WITHIN_MS) break
      if (one.hasPicture || one.event.camera !== camera.id || one.event.epoch !== epoch || frame < one.event.frame) continue
      one.hasPicture = true
      drawThumbnail(one.thumb, bitmap, one.event.box, camera.latest?.size ?? [bitmap.width, bitmap.height])
    }
  }
}

function describe(event) {
  if (event.kind === "changed") return `${actionWords(event.previous)} → ${actionWords(event.label)}`
  if (event.kind === "ended")
    return `${actionWords(event.label)} ended after ${duration((event.capture_us - event.since_us) / 1000)}`
  return actionWords(event.label)
}

/** Draw the person with some surroundings, or the whole picture if there is no box. */
function drawThumbnail(thumb, bitmap, box, size) {
  const [x1, y1, x2, y2] = box ?? [0, 0, ...size]
  const scale = bitmap.width / size[0]
  const aspect = thumb.width / thumb.height
  const tall = Math.max((y2 - y1) * 1.25, ((x2 - x1) * 1.25) / aspect) * scale
  const height = Math.min(tall, bitmap.height, bitmap.width / aspect)
  const width = height * aspect
  const left = Math.max(0, Math.min(((x1 + x2) / 2) * scale - width / 2, bitmap.width - width))
  const top = Math.max(0, Math.min(((y1 + y2) / 2) * scale - height / 2, bitmap.height - height))
  const context = thumb.getContext("2d", { alpha: false })
  context.imageSmoothingQuality = "high"
  context.drawImage(bitmap, left, top, width, height, 0, 0, thumb.width, thumb.height)
}
