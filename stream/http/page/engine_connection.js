// The connection to one engine: its messages, and pictures of its cameras.

import { MessageFeed } from "./message_feed.js"
import { PictureFeed } from "./picture_feed.js"

const LOST_AFTER_MS = 3000 // not for a moment, as when the controller has restarted

export class EngineConnection {
  /**
   * Calls `on.message(kind, message)`, `on.missed()` and `on.refused()` as a `MessageFeed` does, `on.picture(picture)` as
   * a `PictureFeed` does, and `on.connection(connected)` when it is made or lost. `request` is used as `fetch` is.
   */
  constructor(on, request = (...parts) => fetch(...parts)) {
    this.request = request
    /** The engine's name and origin; empty for the engine that serves this page. */
    this.name = this.origin = ""
    /** The engine's latest statistics, or null. */
    this.stats = null
    this.pictureError = ""
    this.connected = false
    this.waitsSince = performance.now()
    const message = (kind, message) => {
      if (kind === "stats") this.stats = message
      on.message(kind, message)
    }
    const connection = (connected) => {
      if (this.connected) this.waitsSince = performance.now()
      this.connected = connected
      on.connection(connected)
    }
    const { missed, refused, picture } = on
    this.messages = new MessageFeed({ message, connection, missed, refused }, request)
    this.pictures = new PictureFeed({ picture, error: (text) => (this.pictureError = text) }, request)
  }

  /** Whether nothing answers there. */
  get lost() {
    return !this.connected && performance.now() - this.waitsSince > LOST_AFTER_MS
  }
}
