// The engine's messages as they are published (server-sent events), connected again whenever they break off.

import { Backoff, Problem, ask } from "./api.js"

const STATES = ["status", "events", "stats"]
const ALL = [...STATES, "results"]
const SILENT_AFTER_MS = 6000 // stats come at an interval: without any for this, and three of them, nobody is there

export class MessageFeed {
  /** `on.message(kind, data)`, `on.connection(connected)`, `on.refused()` when a token is needed. */
  constructor(on) {
    this.on = on
    this.backoff = new Backoff()
    this.source = null
    this.timer = 0
    this.withResults = true
    this.heardAt = 0
    this.statsAt = 0
    this.statsEveryMs = Infinity
    setInterval(() => this.#look(), 1000)
  }

  /** Begin, or begin anew. A page that nobody sees needs no results. */
  connect(withResults = this.withResults) {
    this.withResults = withResults
    this.close()
    const query = (withResults ? ALL : STATES).map((kind) => `kind=${kind}`).join("&")
    const source = (this.source = new EventSource(`/api/v1/events?${query}`))
    this.heardAt = performance.now()
    this.statsAt = 0
    source.onopen = () => {
      this.backoff.reset()
      this.#heard()
      this.on.connection(true)
    }
    for (const kind of ALL) {
      source.addEventListener(kind, (event) => {
        this.#heard()
        if (kind === "stats") this.#measure()
        this.on.message(kind, JSON.parse(event.data))
      })
    }
    source.onerror = () => this.#lost()
  }

  close() {
    clearTimeout(this.timer)
    this.timer = 0
    this.source?.close()
    this.source = null
  }

  #heard() {
    this.heardAt = performance.now()
  }

  #measure() {
    if (this.statsAt) this.statsEveryMs = this.heardAt - this.statsAt
    this.statsAt = this.heardAt
  }

  #look() {
    const silentMs = performance.now() - this.heardAt
    if (this.source && silentMs > Math.max(SILENT_AFTER_MS, 3 * this.statsEveryMs)) this.#lost()
  }

  #lost() {
    this.close()
    this.on.connection(false)
    this.timer = setTimeout(() => this.#tryAgain(), this.backoff.next())
  }

  /** EventSource doesn't say why it failed: a request that isn't a stream does. */
  async #tryAgain() {
    try {
      await ask("GET", "/api/v1/session")
      this.connect()
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.on.refused()
      else this.#lost()
    }
  }
}
