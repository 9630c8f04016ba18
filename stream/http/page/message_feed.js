// The engine's messages as server-sent events, with automatic reconnection.

import { Backoff, problemOf } from "./api.js"

const ALL = ["status", "events", "stats", "alerts", "results"]
const MAX_CHARACTERS = 8 << 20
const SILENT_AFTER_MS = 6000 // without messages for this long and three intervals of stats, the engine is lost

export class MessageFeed {
  /**
   * Calls `on.message(kind, data)`, `on.connection(connected)`, `on.missed()` after messages were lost, and
   * `on.refused()` if a token is needed. `request` is used as `fetch` is.
   */
  constructor(on, request = (...parts) => fetch(...parts)) {
    this.on = on
    this.request = request
    this.backoff = new Backoff()
    this.running = null
    this.timer = 0
    this.withResults = true
    this.receivedAt = 0
    this.statsAt = 0
    this.statsEveryMs = Infinity
    this.watch = setInterval(() => this.#checkSilence(), 1000)
  }

  /** Connect or reconnect. A hidden page needs no results. */
  connect(withResults = this.withResults) {
    this.withResults = withResults
    this.close()
    const kinds = ALL.filter((kind) => kind !== "results" || withResults)
    const query = kinds.map((kind) => `kind=${kind}`).join("&")
    this.#read(`/api/v1/events?${query}`)
  }

  close() {
    clearTimeout(this.timer)
    this.timer = 0
    this.running?.abort()
    this.running = null
  }

  /** Close for good. */
  end() {
    clearInterval(this.watch)
    this.close()
  }

  async #read(path) {
    const running = (this.running = new AbortController())
    this.receivedAt = performance.now()
    this.statsAt = 0
    try {
      const answer = await this.request(path, { signal: running.signal })
      if (!answer.ok) throw await problemOf(answer)
      this.backoff.reset()
      this.receivedAt = performance.now()
      this.on.connection(true)
      const events = new EventReader()
      const body = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await body.read()
        if (done || running.signal.aborted) break
        for (const { name, data } of events.push(value)) this.#take(name, data)
      }
    } catch (error) {
      if (!running.signal.aborted && error.status === 401) {
        this.close()
        this.on.connection(false)
        return this.on.refused()
      }
    }
    if (this.running === running) this.#reconnect()
  }

  #take(name, data) {
    try {
      if (name === "missed") return this.on.missed()
      if (!ALL.includes(name)) return
      this.#received()
      if (name === "stats") this.#measure()
      this.on.message(name, JSON.parse(data))
    } catch (error) {
      reportError(error) // the next message may be shown nevertheless
    }
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
    if (this.running && silentMs > Math.max(SILENT_AFTER_MS, 3 * this.statsEveryMs)) this.#reconnect()
  }

  #reconnect() {
    this.close()
    this.on.connection(false)
    this.timer = setTimeout(() => this.connect(), this.backoff.next())
  }
}

/** Parses server-sent events from chunks of any size. */
export class EventReader {
  constructor() {
    this.text = ""
  }

  /** Yields {name, data} of the events that this chunk completes. */
  *push(chunk) {
    if (this.text.length + chunk.length > MAX_CHARACTERS) throw new Error("an event without an end")
    const parts = (this.text + chunk).split("\n\n")
    this.text = parts.pop()
    for (const part of parts) {
      const lines = part.split("\n")
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      if (field("event")) yield { name: field("event"), data: field("data") ?? "" }
    }
  }
}
