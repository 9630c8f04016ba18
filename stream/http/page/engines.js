// Where the cameras, their pictures and their results come from: from the engine that serves this page.
//
// On the page of a fleet, `fleet/page/engines.js` takes the place of this file.

import { ask } from "./api.js"
import { EngineConnection } from "./engine_connection.js"

const LOST = { state: "unreachable", reason: "no_engine", message: "" }

export class Engines {
  /**
   * Calls `on.message(kind, message)` and `on.picture(picture)` with what engines send, `on.missed()` after messages were
   * lost, `on.listChanged()` when to load the list of cameras, `on.changed()` when something else here has changed, and
   * `on.refused()` if a token is needed.
   */
  constructor(on) {
    /** Whether the server of this page is the engine, which has alerts and a review page. */
    this.own = true
    const connection = (connected) => {
      if (connected) {
        on.listChanged() // in the meantime
        on.missed()
      }
      on.changed()
    }
    this.engine = new EngineConnection({ ...on, connection })
    /** The connections. */
    this.all = [this.engine]
  }

  /** Connect, after the user has signed in. */
  begin() {
    this.engine.messages.connect(!document.hidden)
    this.engine.pictures.again()
  }

  /** Returns the cameras as the API lists them. Throws `Problem`. */
  async list() {
    return (await ask("GET", "/api/v1/cameras")).cameras
  }

  /** Returns the connection to a camera's engine, or null. */
  at() {
    return this.engine
  }

  /** Returns the status of a camera of which the page gets nothing, otherwise null. */
  lost() {
    return this.engine.lost ? LOST : null
  }

  /** Why the page does not get all that it could, as a sentence, or empty. */
  get problem() {
    return this.engine.lost ? "The connection to the engine is lost. Reconnecting…" : ""
  }

  /** Take the cameras in view, none if the page is hidden. */
  watch() {
    const { messages, connected } = this.engine
    if (messages.withResults !== document.hidden) return
    messages.withResults = !document.hidden // also when it connects again
    if (connected) messages.connect()
  }

  /** Request pictures of these cameras in this width. */
  show(cameras, width, fps) {
    this.engine.pictures.show(cameras, width, fps)
  }
}
