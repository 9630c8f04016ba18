// A canvas with one camera's picture and the result of the same frame over it.

import { drawDetector } from "./detector_overlay.js"
import { child } from "./elements.js"
import { drawPeople } from "./overlay.js"
import { cameraProblem } from "./words.js"
import { drawZones } from "./zone_overlay.js"

const WAIT_MS = 250 // a picture waits this long for its result and is then shown without one
const MAX_WAITING = 4
const VIDEO_WAIT_MS = 700 // video arrives before its results
const MAX_VIDEO_WAITING = 20
const EMPTY_AFTER_MS = 3000
const FROZEN_AFTER_US = 3e6 // when results go on and pictures do not
const MAX_SCALE = 2
const PRIVACY = {
  masked: ["Masked", "Parts of the picture are hidden by privacy masks"],
  skeleton: ["Drawn, no pixels", "The picture is drawn from results: no pixel of the camera leaves the engine"],
}

export class Screen {
  /**
   * `look()` returns {filter, chosen, states, detector, zones, alarmed, plain}. Calls `onDrawn(camera, bitmap, epoch,
   * frame)` after each picture.
   */
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
    this.privacy = child(this.element, "span", "privacy")
    this.message = child(this.element, "div", "message")
    this.headline = child(this.message, "strong")
    this.text = child(this.message, "span")
    this.element.prepend(this.canvas)
    this.closed = false
    this.resting = false
    this.waiting = []
    this.shown = null
    this.next = null
    this.request = 0
    this.sizes = new ResizeObserver(() => this.#resize())
    this.sizes.observe(this.canvas)
    this.update()
  }

  /** Take a JPEG, to be drawn with its result. */
  async take({ epoch, frame, bytes }) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null)
    if (!bitmap) return
    const result = () => this.camera.resultOf(epoch, frame)
    this.#await({ epoch, frame, at: frame, bitmap, result }, WAIT_MS, MAX_WAITING)
  }

  /** Take a picture of the camera's own video, which has a media time instead of a frame number. */
  takeVideo({ epoch, mediaUs, bitmap }) {
    const result = () => this.camera.resultAt(epoch, mediaUs)
    this.#await({ epoch, frame: null, at: mediaUs, bitmap, result }, VIDEO_WAIT_MS, MAX_VIDEO_WAITING)
  }

  #await(one, waitMs, most) {
    if (this.closed || this.resting) return one.bitmap.close() // in the meantime
    this.waiting.push({ ...one, until: performance.now() + waitMs })
    this.waiting.sort((a, b) => a.epoch - b.epoch || a.at - b.at) // decoding can change the order
    while (this.waiting.length > most) this.waiting.shift().bitmap.close()
    setTimeout(() => this.match(), waitMs + 5)
    this.match()
  }

  /** Show the newest picture that has a result or has waited long enough. Also called when results arrive. */
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

  /** Draw the same picture again, for example after a change of the filter. */
  redraw() {
    if (this.shown) this.#drawSoon()
  }

  /** Update the texts over the picture: why there is none, or that it shows no people. */
  update() {
    const { camera } = this
    const problem = cameraProblem(camera.status)
    const [headline, text] = problem ?? [this.#waitsFor(), ""]
    this.element.dataset.fresh = problem || (headline && this.shown) ? "no" : "yes"
    this.message.hidden = !headline
    this.headline.textContent = headline
    this.text.textContent = text
    const empty = camera.live && this.shown && performance.now() - camera.peopleAtMs > EMPTY_AFTER_MS
    this.chip.hidden = !empty
    this.chip.textContent = "No people detected"
    const hidden = PRIVACY[camera.privacy]
    this.privacy.hidden = !hidden
    this.privacy.textContent = hidden?.[0] ?? ""
    this.privacy.title = hidden?.[1] ?? ""
  }

  /** Returns what to say of a live camera without a new picture; empty if it has one. */
  #waitsFor() {
    const { latest } = this.camera
    const frozen = latest?.capture_us - this.shown?.result?.capture_us > FROZEN_AFTER_US
    if (this.shown && !frozen) return ""
    return latest ? "Waiting for pictures" : "Waiting for the first frame"
  }

  /** Give up the picture and its memory until `wake`, for example while it is out of view. */
  rest() {
    if (this.resting) return
    this.resting = true
    this.#drop()
    this.canvas.width = this.canvas.height = 0
  }

  wake() {
    if (!this.resting) return
    this.resting = false
    this.#resize()
    this.update()
  }

  close() {
    this.closed = true
    this.sizes.disconnect()
    this.#drop()
  }

  #drop() {
    cancelAnimationFrame(this.request)
    this.request = 0
    for (const one of [...this.waiting, this.next, this.shown]) one?.bitmap.close()
    this.waiting = []
    this.next = this.shown = null
  }

  #resize() {
    const scale = this.#scale()
    const [width, height] = [Math.round(this.canvas.clientWidth * scale), Math.round(this.canvas.clientHeight * scale)]
    if (this.resting || !width || (this.canvas.width === width && this.canvas.height === height)) return
    this.canvas.width = width
    this.canvas.height = height
    if (this.shown && !this.request) this.#draw() // in the same frame, to avoid a flash
  }

  #scale() {
    return Math.min(MAX_SCALE, devicePixelRatio || 1)
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
    const look = { ...this.look(), scale: this.#scale() }
    const detector =
      result && look.detector ? drawDetector(context, result, result.looks, place, look.scale) : null
    const zones = look.zones ? drawZones(context, this.camera.settings, result, place, look.scale, look.alarmed) : null
    const taken = [...(detector ? [detector.box] : []), ...(zones?.boxes ?? [])]
    const boxes = result ? drawPeople(context, result, place, look, taken) : []
    /** What is shown, for tests. */
    const captureUs = result?.capture_us ?? null
    const withResult = Boolean(result)
    canvas.drawn = { epoch, frame, captureUs, place, boxes, detector, zones, withResult, at: performance.now() }
    if (fresh) {
      this.onDrawn(this.camera, bitmap, epoch, frame)
      if (!this.message.hidden) this.update()
    }
  }
}
