// The engine's messages as server-sent events, with automatic reconnection.

import { Backoff, Problem, ask } from "./api.js"

const ALL = ["status", "events", "stats", "alerts", "results"]
const SILENT_AFTER_MS = 6000 // without messages for this long and three intervals of stats, the engine is lost

export class MessageFeed {
  /**
   * Calls `on.message(kind, data)`, `on.connection(connected)`, `on.missed()` after messages were lost, and
   * `on.refused()` if a token is needed.
   */
  constructor(on) {
    this.on = on
    this.backoff = new Backoff()
    this.source = null
    this.timer = 0
    this.withResults = true
    /** Whether the engine knows alerts: it refuses kinds that it does not know. */
    this.withAlerts = false
    this.receivedAt = 0
    this.statsAt = 0
    this.statsEveryMs = Infinity
    setInterval(() => this.#checkSilence(), 1000)
  }

  /** Connect or reconnect. A hidden page needs no results. */
  connect(withResults = this.withResults) {
    this.withResults = withResults
    this.close()
    const kinds = ALL.filter((kind) => (kind !== "results" || withResults) && (kind !== "alerts" || this.withAlerts))
    const query = kinds.map((kind) => `kind=${kind}`).join("&")
    const source = (this.source = new EventSource(`/api/v1/events?${query}`))
    this.receivedAt = performance.now()
    this.statsAt = 0
    source.onopen = () => {
      this.backoff.reset()
      this.#received()
      this.on.connection(true)
    }
    for (const kind of ALL) {
      source.addEventListener(kind, (event) => {
        this.#received()
        if (kind === "stats") this.#measure()
        this.on.message(kind, JSON.parse(event.data))
      })
    }
    source.addEventListener("missed", () => this.on.missed())
    source.onerror = () => this.#reconnect()
  }

  close() {
    clearTimeout(this.timer)
    this.timer = 0
    this.source?.close()
    this.source = null
  }

  #received() {
    this.receivedAt = performance.now()
  }

  #measure() {
    if (this.statsAt) this.statsEveryMs = this.receivedAt - this.statsAt
    this.statsAt = this.receivedAt
  }

  #checkSilence() {
    const silentMs = performance.now() - this.receivedAt
    if (this.source && silentMs > Math.max(SILENT_AFTER_MS, 3 * this.statsEveryMs)) this.#reconnect()
  }

  #reconnect() {
    this.close()
    this.on.connection(false)
    this.timer = setTimeout(() => this.#retry(), this.backoff.next())
  }

  /** EventSource does not tell why it failed, but an ordinary request does. */
  async #retry() {
    try {
      await ask("GET", "/api/v1/session")
      this.connect()
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.on.refused()
      else this.#reconnect()
    }
  }
}
