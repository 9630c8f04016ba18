// One camera's own video over WebRTC, as pictures with their epoch and media time.

import { ask, problemOf } from "./api.js"

const ANSWER_MS = 5000
const GATHER_MS = 2000
const FIRST_MS = 15000 // video starts at a keyframe, which cameras send every few seconds
const STALL_MS = 5000
const POLL_MS = 500
const RETRY_MS = 60000
const MAX_FAILED = 64
const TICKS_PER_US = 0.09 // RTP counts in 1/90000 s
const SAME_S = 0.001
const MAX_ORIGINS = 2

export class VideoFeed {
  /**
   * Calls `on.picture({camera, epoch, mediaUs, bitmap})`, `on.changed()` when `playing` has changed, and
   * `on.widest(camera)` for the maximum useful width in pixels.
   */
  constructor(on) {
    this.on = on
    this.request = null
    /** The camera whose video is playing, or null. */
    this.playing = null
    this.camera = null
    this.session = null
    /** Whether this browser can identify pictures. */
    this.able = Boolean(
      globalThis.RTCPeerConnection && globalThis.VideoFrame && HTMLVideoElement.prototype.requestVideoFrameCallback,
    )
    this.failed = new Map()
    this.timer = 0
  }

  /**
   * Play this camera's video, or none if it is null. Repeating a call changes nothing. `request`, of its engine, is used
   * as `fetch` is.
   */
  show(camera, request = null) {
    if (camera === this.camera && request === this.request) return
    this.camera = camera
    this.request = request
    this.#end()
    if (camera && this.able) this.#begin()
  }

  #begin() {
    const wait = (this.failed.get(this.camera) ?? 0) - performance.now()
    if (wait > 0) {
      this.timer = setTimeout(() => this.#begin(), wait)
      return
    }
    const camera = this.camera
    const session = (this.session = new VideoSession(this.request, {
      picture: (picture) => {
        if (this.session !== session) return picture.bitmap.close()
        this.#play(camera)
        this.on.picture({ camera, ...picture })
      },
      failed: (permanent) => this.session === session && this.#fail(permanent),
      widest: () => this.on.widest(camera),
    }))
    session.begin(camera)
  }

  #fail(permanent) {
    this.able = !permanent
    this.failed.delete(this.camera)
    this.failed.set(this.camera, performance.now() + RETRY_MS)
    if (this.failed.size > MAX_FAILED) this.failed.delete(this.failed.keys().next().value)
    this.#end()
    if (this.able) this.#begin()
  }

  #end() {
    clearTimeout(this.timer)
    this.session?.close()
    this.session = null
    this.#play(null)
  }

  #play(camera) {
    if (this.playing === camera) return
    this.playing = camera
    this.on.changed()
  }
}

/** One connection, from `begin` to `close`. `on.failed(permanent)` is called at most once. */
class VideoSession {
  constructor(request, on) {
    this.request = request
    this.on = on
    this.origins = []
    this.closed = false
    this.location = ""
    this.grabbing = false
    this.lastMs = performance.now()
    this.patience = FIRST_MS
    this.video = document.createElement("video")
    this.video.muted = true
    this.video.playsInline = true
    this.peer = new RTCPeerConnection()
    const { receiver } = this.peer.addTransceiver("video", { direction: "recvonly" })
    receiver.jitterBufferTarget = 0 // pictures wait for their results, which smooths the playback
    this.peer.addEventListener("track", ({ track }) => this.#receive(track))
    this.peer.addEventListener("connectionstatechange", () => this.peer.connectionState === "failed" && this.#fail())
    // The engine uses this channel to map RTP timestamps to media times.
    this.peer.createDataChannel("frames").addEventListener("message", ({ data }) => this.#learn(JSON.parse(data)))
    this.timer = setInterval(() => performance.now() - this.lastMs > this.patience && this.#fail(), POLL_MS)
  }

  async begin(camera) {
    try {
      const { no_video: refusal } = await ask("GET", `/api/v1/cameras/${camera}`, undefined, this.request)
      if (refusal) return this.#fail()
      await this.peer.setLocalDescription()
      await this.#gathered()
      const answer = await this.request(`/whep/${camera}`, {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: this.peer.localDescription.sdp,
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      if (!answer.ok) throw await problemOf(answer)
      this.location = answer.headers.get("Location") ?? ""
      const sdp = await answer.text()
      if (this.closed) return this.#leave()
      await this.peer.setRemoteDescription({ type: "answer", sdp })
    } catch {
      this.#fail() // the page shows JPEGs instead
    }
  }

  close() {
    if (this.closed) return
    this.closed = true
    clearInterval(this.timer)
    this.peer.close()
    this.video.srcObject = null
    this.#leave()
  }

  #fail(permanent = false) {
    if (this.closed) return
    this.close()
    this.on.failed(permanent)
  }

  #leave() {
    if (this.location) this.request(this.location, { method: "DELETE", keepalive: true }).catch(() => {})
    this.location = ""
  }

  #gathered() {
    if (this.peer.iceGatheringState === "complete") return
    return new Promise((done) => {
      setTimeout(done, GATHER_MS)
      this.peer.addEventListener("icegatheringstatechange", () => {
        if (this.peer.iceGatheringState === "complete") done()
      })
    })
  }

  #learn(origin) {
    this.origins.unshift(origin)
    this.origins.length = Math.min(this.origins.length, MAX_ORIGINS)
  }

  #receive(track) {
    this.video.srcObject = new MediaStream([track])
    this.video.play().catch(() => {})
    const next = (now, about) => {
      if (this.closed) return
      this.video.requestVideoFrameCallback(next)
      this.#grab(about)
    }
    this.video.requestVideoFrameCallback(next)
  }

  async #grab({ rtpTimestamp: rtp, mediaTime }) {
    if (rtp === undefined) return this.#fail(true)
    if (this.grabbing) return
    // The newest origin that is not after the picture; timestamps wrap at 32 bits.
    const origin = this.origins.find((one) => ((rtp - one.rtp) | 0) >= 0)
    if (!origin) return
    this.grabbing = true
    const bitmap = await this.#bitmap(mediaTime)
    this.grabbing = false
    if (!bitmap) return
    if (this.closed) return bitmap.close()
    this.lastMs = performance.now()
    this.patience = STALL_MS
    const mediaUs = origin.media_us + ((rtp - origin.rtp) | 0) / TICKS_PER_US
    this.on.picture({ epoch: origin.epoch, mediaUs, bitmap })
  }

  /** Returns the video's picture of this time (s), no wider than useful; null if the video already shows the next. */
  async #bitmap(mediaTime) {
    let shown = null
    try {
      shown = new VideoFrame(this.video)
      if (Math.abs(shown.timestamp / 1e6 - mediaTime) > SAME_S) return null
      const { displayWidth, displayHeight } = shown
      const width = this.on.widest() || displayWidth
      const height = Math.max(1, Math.round((displayHeight * width) / displayWidth))
      return await createImageBitmap(shown, width < displayWidth ? { resizeWidth: width, resizeHeight: height } : {})
    } catch {
      return null
    } finally {
      shown?.close()
    }
  }
}
