// The connection to one engine: the messages and pictures of those of its cameras that are shown.

import { Backoff } from "/page/api.js"
import { MessageFeed } from "/page/message_feed.js"
import { PictureFeed } from "/page/picture_feed.js"
import { EngineLink } from "./engine_link.js"

const UNREACHABLE_AFTER_MS = 4000
const REFUSED_MS = 2000 // the time between two passes
const LONGEST_REFUSED_MS = 60000

export class EngineConnection {
  /**
   * Calls `on.message(kind, message)`, `on.picture(picture)` and `on.error(text)` as the feeds do, and `on.changed()`
   * when the connection is made or lost.
   */
  constructor(origin, on) {
    this.origin = origin
    this.on = on
    /** The cameras that are shown, as a text. */
    this.wanted = ""
    this.cameras = []
    this.connected = false
    this.waitsSince = performance.now()
    /** Whether the engine answers, but refuses the last pass. */
    this.passRefused = false
    this.link = new EngineLink(origin)
    const request = (...parts) => this.link.request(...parts)
    this.request = request
    const connection = (connected) => this.#connection(connected)
    this.refusals = new Backoff(REFUSED_MS, LONGEST_REFUSED_MS)
    this.refusedUntil = 0
    const refused = () => this.#refused()
    this.messages = new MessageFeed({ message: on.message, connection, missed: () => {}, refused }, request)
    this.pictures = new PictureFeed(on, request)
  }

  /** Whether nothing answers there. */
  get unreachable() {
    return !this.connected && !this.passRefused && performance.now() - this.waitsSince > UNREACHABLE_AFTER_MS
  }

  /**
   * Show the cameras of this pass. Another pass for the same cameras prolongs what the earlier one began, when
   * `prolong` is true.
   */
  follow({ cameras, token }, prolong) {
    if (this.link.broken) {
      this.link.close()
      this.link = new EngineLink(this.origin)
      this.wanted = ""
    }
    const wanted = [...cameras].sort().join()
    const same = wanted === this.wanted
    if (same && !prolong) return
    if (!same && performance.now() < this.refusedUntil) return
    this.link.token = token
    if (same) return void this.link.request("/api/v1/session").catch(() => {})
    this.wanted = wanted
    this.cameras = cameras
    if (this.passRefused) this.waitsSince = performance.now()
    this.passRefused = false
    this.messages.connect()
  }

  /** Request pictures of the cameras of the last pass in this width, or `none`. */
  show(width, fps, none) {
    this.pictures.show(none ? [] : this.cameras, width, fps)
  }

  close() {
    this.messages.end()
    this.pictures.show([], 0, 0)
    this.link.close()
  }

  /** The next pass connects again, later ones after longer and longer: another engine may be there. */
  #refused() {
    this.passRefused = true
    this.wanted = ""
    this.cameras = []
    this.pictures.show([], 0, 0)
    this.refusedUntil = performance.now() + this.refusals.next()
  }

  #connection(connected) {
    if (connected) this.refusals.reset()
    if (!connected && this.connected) this.waitsSince = performance.now()
    this.connected = connected
    this.on.changed()
  }
}
