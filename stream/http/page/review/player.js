// The picture or clip of an alert or event, with the results of the same frame drawn over it by the live page's code.

import { Problem, ask, problemOf } from "../api.js"
import { child, field } from "../elements.js"
import { drawPeople } from "../overlay.js"
import { duration, percent, words } from "../words.js"
import { titleOf, verdictWords } from "./incident_list.js"
import { timeWords } from "./timeline.js"

const MAX_RESULTS_BYTES = 20e6
const BEFORE_S = 1 // where a clip begins to play: this long before the event
const MAX_SCALE = 2

export class Player {
  constructor() {
    this.incident = null
    this.overlay = true
    this.clip = null // the loaded clip: {name, results, halfFrame}
    this.still = null // the result of the picture
    this.opened = 0 // number of the incident that is shown, to ignore late responses
    this.callback = 0
    this.mediaTime = 0
    this.picture = field("picture")
    this.video = field("video")
    this.canvas = field("overlay")
    this.context = this.canvas.getContext("2d")
    this.perFrame = "requestVideoFrameCallback" in HTMLVideoElement.prototype
    field("play").addEventListener("click", () => this.toggle())
    field("overlay-toggle").addEventListener("click", () => this.toggleOverlay())
    field("seek").addEventListener("input", (event) => (this.video.currentTime = Number(event.target.value)))
    field("stage").addEventListener("click", () => this.toggle())
    this.picture.addEventListener("load", () => this.#draw())
    this.picture.addEventListener("error", () => this.#note("There is no picture."))
    for (const name of ["play", "pause", "ended"]) this.video.addEventListener(name, () => this.#transport())
    this.video.addEventListener("loadedmetadata", () => this.#transport())
    this.video.addEventListener("timeupdate", () => this.#timeChanged())
    this.video.addEventListener("error", () => {
      if (!this.video.hidden) this.#note("This browser cannot play the clip.")
    })
    new ResizeObserver(() => this.#resize()).observe(field("stage"))
  }

  /** Show an incident's picture, or nothing if it is null. */
  async show(incident) {
    const same = incident && this.incident?.id === incident.id
    this.incident = incident
    this.#facts()
    if (same) return this.#transport()
    const opened = ++this.opened
    this.#unload()
    this.still = null
    this.picture.hidden = !incident?.picture
    if (incident?.picture) {
      const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}`
      this.picture.src = `${path}/picture`
      this.picture.alt = `${titleOf(incident)} at ${incident.camera}`
      const still = await ask("GET", `${path}/result`).catch(() => null)
      if (opened === this.opened) this.still = still
    } else {
      this.picture.removeAttribute("src")
      if (incident) this.#note(incident.clip ? "There is no picture. Press Play to see the clip." : "There is no picture.")
    }
    if (opened === this.opened) this.#draw()
  }

  /** Play or pause the clip. */
  async toggle() {
    const { incident, video } = this
    if (!incident?.clip) return
    if (this.clip?.name !== incident.clip) return this.#load(incident)
    if (video.paused) await video.play().catch((error) => this.#note(error.message))
    else video.pause()
  }

  toggleOverlay() {
    this.overlay = !this.overlay
    field("overlay-toggle").setAttribute("aria-pressed", this.overlay)
    this.#draw()
  }

  async #load(incident) {
    const opened = this.opened
    const path = `/api/v1/clips/${encodeURIComponent(incident.clip)}`
    this.#note("Loading the clip…")
    try {
      const [clip, results] = await Promise.all([ask("GET", `${path}/metadata`), resultsOf(`${path}/results`)])
      if (opened !== this.opened) return
      const { start_media_time_us: startUs, end_media_time_us: endUs, frames } = clip
      const timed = (results ?? [])
        .filter((result) => result.epoch === clip.epoch)
        .map((result) => ({ at: (result.media_time_us - startUs) / 1e6, result }))
        .sort((a, b) => a.at - b.at)
      const halfFrame = frames > 1 ? (endUs - startUs) / (frames - 1) / 2e6 : 0.02
      this.clip = { name: incident.clip, timed, halfFrame }
      this.video.hidden = false
      this.picture.hidden = true
      this.video.src = path
      const begin = ((incident.media_time_us ?? startUs) - startUs) / 1e6 - BEFORE_S
      this.video.currentTime = Math.max(0, begin)
      this.#note(
        results === null
          ? "The clip has too many results to draw."
          : this.perFrame
            ? ""
            : "In this browser, the overlay can be late.",
      )
      this.#nextFrame()
      await this.video.play()
    } catch (error) {
      if (opened === this.opened) this.#note(error instanceof Problem ? error.message : "The clip cannot be played.")
    }
  }

  #unload() {
    if (this.callback) this.video.cancelVideoFrameCallback(this.callback)
    this.callback = 0
    this.clip = null
    this.video.pause()
    this.video.hidden = true
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src")
      this.video.load()
    }
    this.#note("")
    this.#transport()
  }

  #nextFrame() {
    if (!this.perFrame) return
    this.callback = this.video.requestVideoFrameCallback((now, { mediaTime }) => {
      this.mediaTime = mediaTime
      this.#draw()
      this.#nextFrame()
    })
  }

  #timeChanged() {
    if (!this.perFrame) {
      this.mediaTime = this.video.currentTime
      this.#draw()
    }
    this.#transport()
  }

  #resultNow() {
    if (!this.clip) return this.still
    const { timed, halfFrame } = this.clip
    let [low, high] = [0, timed.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (timed[middle].at < this.mediaTime) low = middle + 1
      else high = middle
    }
    const near = [timed[low - 1], timed[low]].filter(Boolean)
    near.sort((a, b) => Math.abs(a.at - this.mediaTime) - Math.abs(b.at - this.mediaTime))
    return near.length && Math.abs(near[0].at - this.mediaTime) <= halfFrame ? near[0].result : null
  }

  #draw() {
    const { canvas, context } = this
    context.clearRect(0, 0, canvas.width, canvas.height)
    const [width, height] = this.clip
      ? [this.video.videoWidth, this.video.videoHeight]
      : [this.picture.naturalWidth, this.picture.naturalHeight]
    const result = this.#resultNow()
    /** What is drawn, for tests. */
    canvas.drawn = { frame: null, mediaTime: this.clip ? this.mediaTime : null, boxes: [] }
    if (!width || !result || !this.overlay || (!this.clip && this.picture.hidden)) return
    const scale = Math.min(canvas.width / width, canvas.height / height)
    const place = {
      x: (canvas.width - width * scale) / 2,
      y: (canvas.height - height * scale) / 2,
      width: width * scale,
      height: height * scale,
    }
    const look = { scale: this.#scale(), filter: "", chosen: this.incident?.track ?? null, states: 3, plain: false }
    canvas.drawn.boxes = drawPeople(context, result, place, look)
    Object.assign(canvas.drawn, { frame: result.frame, place })
  }

  #scale() {
    return Math.min(MAX_SCALE, devicePixelRatio || 1)
  }

  #resize() {
    const { canvas } = this
    const scale = this.#scale()
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)]
    if (!width || (canvas.width === width && canvas.height === height)) return
    canvas.width = width
    canvas.height = height
    this.#draw()
  }

  #transport() {
    const { video } = this
    const [play, seek] = [field("play"), field("seek")]
    play.disabled = !this.incident?.clip
    play.textContent = this.clip && !video.paused && !video.ended ? "Pause" : "Play"
    play.title = play.disabled ? "There is no clip" : ""
    seek.disabled = !this.clip || !Number.isFinite(video.duration)
    seek.max = seek.disabled ? 1 : video.duration
    seek.value = this.clip ? video.currentTime : 0
    field("time").textContent = this.clip ? `${video.currentTime.toFixed(1)} s` : ""
  }

  #facts() {
    const list = field("facts")
    list.replaceChildren()
    const one = this.incident
    if (!one) return
    const said = verdictWords(one)
    const lasted = one.ended_us === null ? "" : `, lasted ${duration((one.ended_us - one.began_us) / 1000)}`
    const rows = [
      [one.kind === "alert" ? "Alert" : "Event", titleOf(one)],
      ["Action", one.action && one.rule ? words(one.action) : ""],
      ["Why", one.kind === "alert" ? one.reason : ""],
      ["Score", one.score === null ? "" : percent(one.score)],
      ["Camera", one.track === null ? one.camera : `${one.camera}, person ${one.track}`],
      ["Began", `${timeWords(one.began_us)}${lasted}`],
      ["Model", one.model?.profile ?? ""],
      ["Verdict", said ? `${said.join(" ")}, by ${one.by}, ${timeWords(one.at_us)}` : "none yet"],
    ]
    for (const [name, text] of rows) {
      if (!text) continue
      child(list, "dt", "", name)
      child(list, "dd", "", text)
    }
  }

  #note(text) {
    field("stage-note").textContent = text
    field("stage-note").hidden = !text
  }
}

/** Returns the results of a clip, or null if they are too large. Throws `Problem`. Damaged lines are left out. */
async function resultsOf(path) {
  const answer = await fetch(path).catch(() => null)
  if (!answer) throw new Problem(0, "The server cannot be reached.")
  if (!answer.ok) throw await problemOf(answer)
  if (Number(answer.headers.get("Content-Length")) > MAX_RESULTS_BYTES) {
    await answer.body.cancel()
    return null
  }
  const results = []
  for (const line of (await answer.text()).split("\n")) {
    try {
      if (line) results.push(JSON.parse(line))
    } catch {
      continue // cut off by a crash
    }
  }
  return results
}
