// Live pictures of all visible cameras from one response, each with the epoch and frame of its result.

import { Backoff, problemOf } from "./api.js"

const SETTLE_MS = 120 // scrolling changes the visible cameras many times, but one request is enough
const MAX_BYTES = 8 << 20
const END_OF_HEAD = [13, 10, 13, 10]

export class PictureFeed {
  /**
   * Calls `on.picture({camera, epoch, frame, bytes})` and `on.error(text)`; the text is empty when pictures arrive again.
   * `request` is used as `fetch` is.
   */
  constructor(on, request = (...parts) => fetch(...parts)) {
    this.on = on
    this.request = request
    this.backoff = new Backoff()
    this.wanted = ""
    this.running = null
    this.timer = 0
  }

  /** Request pictures of these cameras in this width. Repeating a request changes nothing. */
  show(cameras, width, maxFps) {
    const query = new URLSearchParams([
      ["width", width],
      ["max_fps", maxFps],
    ])
    for (const camera of [...cameras].sort()) query.append("camera", camera)
    const wanted = cameras.length ? String(query) : ""
    if (wanted === this.wanted) return
    this.wanted = wanted
    this.#begin(wanted ? SETTLE_MS : 0)
  }

  /** Repeat the request at once, for example after signing in. */
  again() {
    this.#begin(0)
  }

  #begin(afterMs) {
    clearTimeout(this.timer)
    if (!this.wanted) return this.#stop()
    this.timer = setTimeout(() => this.#read(), afterMs)
  }

  #stop() {
    this.running?.abort()
    this.running = null
  }

  async #read() {
    this.#stop()
    const running = (this.running = new AbortController())
    try {
      const answer = await this.request(`/api/v1/pictures?${this.wanted}`, { signal: running.signal })
      if (!answer.ok) throw await problemOf(answer)
      const parts = new PartReader()
      const body = answer.body.getReader()
      for (;;) {
        const { done, value } = await body.read()
        if (done) break
        for (const picture of parts.push(value)) {
          this.backoff.reset()
          this.on.error("")
          this.on.picture(picture)
        }
      }
    } catch (error) {
      if (running.signal.aborted) return
      if (error.status && error.status !== 401) this.on.error(error.status === 503 ? "Too many viewers: no live pictures are available now." : error.message)
    }
    if (this.running === running) {
      this.running = null
      this.#begin(this.backoff.next())
    }
  }
}

/** Parses multipart/x-mixed-replace from chunks of any size. */
export class PartReader {
  constructor() {
    this.bytes = new Uint8Array(1 << 16)
    this.length = 0
  }

  /** Yields the pictures that this chunk completes. */
  *push(chunk) {
    this.#append(chunk)
    let at = 0
    for (;;) {
      const part = this.#partAt(at)
      if (!part) break
      at = part.end
      yield part.picture
    }
    this.bytes.copyWithin(0, at, this.length)
    this.length -= at
  }

  #append(chunk) {
    const needed = this.length + chunk.length
    if (needed > MAX_BYTES) throw new Error("a part without an end")
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2))
      larger.set(this.bytes.subarray(0, this.length))
      this.bytes = larger
    }
    this.bytes.set(chunk, this.length)
    this.length = needed
  }

  #partAt(at) {
    const headEnd = this.#find(at)
    if (headEnd < 0) return null
    const head = new TextDecoder().decode(this.bytes.subarray(at, headEnd))
    const field = (name) => head.match(new RegExp(`^${name}: *(.+)$`, "im"))?.[1].trim() ?? ""
    const begin = headEnd + END_OF_HEAD.length
    const end = begin + Number(field("Content-Length"))
    if (!(end <= this.length)) return null
    const picture = {
      camera: field("X-Camera"),
      epoch: Number(field("X-Epoch")),
      frame: Number(field("X-Frame")),
      bytes: this.bytes.slice(begin, end),
    }
    return { picture, end }
  }

  #find(from) {
    for (let at = this.bytes.indexOf(13, from); at >= 0 && at + 4 <= this.length; at = this.bytes.indexOf(13, at + 1)) {
      if (END_OF_HEAD.every((byte, index) => this.bytes[at + index] === byte)) return at
    }
    return -1
  }
}
