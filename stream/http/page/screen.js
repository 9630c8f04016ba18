// One camera's picture with its result over it, the two always of the same frame. Owns a canvas and the picture on it.

import { drawPeople } from "./overlay.js"
import { trouble } from "./words.js"

const WAIT_MS = 250 // a picture waits this long for its result, then it is shown without one
const MOST_WAITING = 4
const VIDEO_WAIT_MS = 700 // video comes before its results
const MOST_VIDEO_WAITING = 20
const NOBODY_AFTER_MS = 3000
const MOST_SCALE = 2

export class Screen {
  /** `look()`: {filter, chosen, states}; `onDrawn(camera, bitmap, result)` after each picture. */
  constructor(camera, look, onDrawn) {
    this.camera = camera
    this.look = look
    this.onDrawn = onDrawn
    this.element = document.createElement("div")
    this.element.className = "screen"
    this.canvas = document.createElement("canvas")
    this.canvas.setAttribute("role", "img")
    this.canvas.setAttribute("aria-label", `Live picture of camera ${camera.id}`)
    this.chip = child(this.element, "span", "chip")
    this.message = child(this.element, "div", "message")
    this.headline = child(this.message, "strong")
    this.text = child(this.message, "span")
    this.element.prepend(this.canvas)
    this.closed = false
    this.waiting = []
    this.shown = null
    this.next = null
    this.request = 0
    this.sizes = new ResizeObserver(() => this.#resize())
    this.sizes.observe(this.canvas)
    this.update()
  }

  /** A picture has come; it is drawn with its result. */
  async take({ epoch, frame, bytes }) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null)
    if (!bitmap) return
    const result = () => this.camera.resultOf(epoch, frame)
    this.#await({ epoch, frame, at: frame, bitmap, result }, WAIT_MS, MOST_WAITING)
  }

  /** A picture of the camera's own video has come, which doesn't know its frame's number. */
  takeVideo({ epoch, mediaUs, bitmap }) {
    const result = () => this.camera.resultAt(epoch, mediaUs)
    this.#await({ epoch, frame: null, at: mediaUs, bitmap, result }, VIDEO_WAIT_MS, MOST_VIDEO_WAITING)
  }

  #await(one, waitMs, most) {
    if (this.closed) return one.bitmap.close() // meanwhile
    this.waiting.push({ ...one, until: performance.now() + waitMs })
    this.waiting.sort((a, b) => a.epoch - b.epoch || a.at - b.at) // decoding may overtake
    while (this.waiting.length > most) this.waiting.shift().bitmap.close()
    setTimeout(() => this.match(), waitMs + 5)
    this.match()
  }

  /** Show the newest picture whose result is there, or that has waited long enough. Called when results come, too. */
  match() {
    const now = performance.now()
    const ready = this.waiting.findLastIndex((one) => one.result() || one.until <= now)
    if (ready < 0) return
    const [chosen, ...older] = this.waiting.splice(0, ready + 1).reverse()
    for (const one of older) one.bitmap.close()
    this.next?.bitmap.close()
    const result = chosen.result() ?? null
    this.next = { ...chosen, frame: result?.frame ?? chosen.frame, result }
    this.#drawSoon()
  }

  /** Draw anew what is there, as after a change of the filter. */
  redraw() {
    if (this.shown) this.#drawSoon()
  }

  /** What is said over the picture: why there is none, or that nobody is in it. */
  update() {
    const { camera } = this
    const wrong = trouble(camera.status)
    const waits = !wrong && !this.shown
    this.element.dataset.fresh = wrong ? "no" : "yes"
    this.message.hidden = !wrong && !waits
    this.headline.textContent = wrong ? wrong[0] : waits ? "Waiting for a picture" : ""
    this.text.textContent = wrong ? wrong[1] : ""
    const nobody = camera.live && this.shown && performance.now() - camera.peopleAtMs > NOBODY_AFTER_MS
    this.chip.hidden = !nobody
    this.chip.textContent = "Nobody recognised"
  }

  close() {
    this.closed = true
    this.sizes.disconnect()
    cancelAnimationFrame(this.request)
    for (const one of [...this.waiting, this.next, this.shown]) one?.bitmap.close()
    this.waiting = []
    this.next = this.shown = null
  }

  #resize() {
    const scale = this.#scale()
    const [width, height] = [Math.round(this.canvas.clientWidth * scale), Math.round(this.canvas.clientHeight * scale)]
    if (!width || (this.canvas.width === width && this.canvas.height === height)) return
    this.canvas.width = width
    this.canvas.height = height
    if (this.shown && !this.request) this.#draw() // in the same frame, or it would flash
  }

  #scale() {
    return Math.min(MOST_SCALE, devicePixelRatio || 1)
  }

  #drawSoon() {
    this.request ||= requestAnimationFrame(() => this.#draw())
  }

  #draw() {
    this.request = 0
    const fresh = this.next
    if (fresh) {
      this.shown?.bitmap.close()
      this.shown = fresh
      this.next = null
    }
    const { bitmap, result, epoch, frame } = this.shown
    const { canvas } = this
    const context = canvas.getContext("2d", { alpha: false })
    const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height)
    const [width, height] = [bitmap.width * scale, bitmap.height * scale]
    const place = { x: (canvas.width - width) / 2, y: (canvas.height - height) / 2, width, height }
    context.fillStyle = "#07090c"
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.imageSmoothingQuality = "high"
    context.drawImage(bitmap, place.x, place.y, width, height)
    const boxes = result ? drawPeople(context, result, place, { ...this.look(), scale: this.#scale() }) : []
    /** What is to be seen, for whoever looks from outside. */
    const captureUs = result?.capture_us ?? null
    canvas.drawn = { epoch, frame, captureUs, place, boxes, withResult: Boolean(result), at: performance.now() }
    if (fresh) {
      this.onDrawn(this.camera, bitmap, epoch, frame)
      if (!this.message.hidden) this.update()
    }
  }
}

/** A new element at the end of `parent`. */
export function child(parent, name, className = "", text = "") {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text) element.textContent = text
  parent.append(element)
  return element
}
