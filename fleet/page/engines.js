// Where the cameras, their pictures and their results come from: the controller lists the cameras and says which engines
// have those in view, with a pass for each engine. Takes the place of an engine's `stream/http/page/engines.js`.

import { Backoff, Problem, ask } from "./api.js"
import { EngineConnection } from "./engine_connection.js"
import { sentence } from "./words.js"

const FIND_EVERY_MS = 2000 // a camera that has moved is found after this
const SETTLE_MS = 120
const NEAR_MS = 500 // between requests after an engine has reported a change
const REFUSED_MS = 300
const LONGEST_REFUSED_MS = 60000
const MAX_SHOWN = 256
const UNREACHED = "The controller cannot be reached. Reconnecting…"

export class Engines {
  constructor(on) {
    this.on = on
    this.own = false
    document.title = "partstream fleet"
    this.page = [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("")
    this.problem = ""
    this.signedIn = false
    this.connections = new Map() // by name and origin
    this.places = new Map() // {engine, message} of the cameras in view; `engine` is null if none can show it
    this.wanted = []
    this.finding = this.again = false
    this.timer = 0
    this.findAt = 0 // when the timer ends
    this.prolongedAt = 0
  }

  get all() {
    return [...this.connections.values()]
  }

  begin() {
    this.signedIn = true
    this.#findSoon(0)
  }

  async list() {
    const { cameras } = await ask("GET", "/api/v1/cameras")
    return cameras.map((camera) => ({ ...camera, status: statusOf(camera.status) }))
  }

  at(id) {
    return this.places.get(id)?.engine ?? null
  }

  lost(id) {
    const place = this.places.get(id)
    if (place?.engine) return place.engine.problem(this.problem)
    if (place) return { state: "unplaced", reason: "unplaced", message: place.message }
    return this.problem ? { state: "no_pass", reason: "no_pass", message: this.problem } : null
  }

  watch(cameras) {
    this.wanted = cameras.slice(0, MAX_SHOWN)
    this.#findSoon(cameras.length > 1 ? SETTLE_MS : 0)
  }

  /** The cameras are those of each engine's pass. */
  show(cameras, width, fps) {
    for (const one of this.all) one.pictures.show(cameras.length ? one.cameras : [], width, fps)
  }

  // -- the controller -----------------------------------------------------------------------------------------------
  /** Find after this time, or when it is due already: an engine that keeps reporting changes must not delay it. */
  #findSoon(afterMs) {
    const at = performance.now() + afterMs
    if (!this.signedIn || (this.timer && this.findAt <= at)) return
    clearTimeout(this.timer)
    this.findAt = at
    this.timer = setTimeout(() => {
      this.timer = 0
      this.#find()
    }, afterMs)
  }

  /** Find the engines of the cameras in view, and get passes for them. */
  async #find() {
    if (this.finding) return (this.again = true)
    this.finding = true
    this.again = false
    const { page, wanted } = this
    try {
      if (!wanted.length) this.#follow({ cameras: [], engines: [], life_s: 0 })
      else this.#follow(await ask("POST", "/api/v1/fleet/views", { page, cameras: wanted }))
      this.problem = ""
      if (this.places.size < wanted.length) this.on.listChanged() // some are gone
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      if (error.status === 401) this.#refused()
      else this.problem = error.status ? sentence(error.message) : UNREACHED
    } finally {
      this.finding = false
      this.#findSoon(this.again ? 0 : FIND_EVERY_MS)
    }
    this.on.changed()
  }

  #refused() {
    this.signedIn = false
    this.on.refused()
  }

  /** Connect to the engines of these passes, and to no others. */
  #follow({ cameras, engines, life_s: lifeS }) {
    const now = performance.now()
    const prolong = now - this.prolongedAt > (lifeS * 1000) / 3
    if (prolong) this.prolongedAt = now
    const before = this.connections
    const named = new Map()
    this.connections = new Map()
    for (const pass of engines) {
      const key = `${pass.engine} ${pass.origin}` // a restarted engine can have its origin from another one
      const one = before.get(key) ?? this.#connect(pass)
      before.delete(key)
      this.connections.set(key, one)
      named.set(pass.engine, one)
      one.follow(pass, prolong)
    }
    for (const one of before.values()) one.close()
    this.places = new Map(
      cameras.map(({ id, engine, message }) => [id, { engine: named.get(engine) ?? null, message }]),
    )
  }

  // -- the engines --------------------------------------------------------------------------------------------------
  #connect({ engine, origin }) {
    const one = new PassConnection(engine, origin, {
      message: (kind, message) => this.#take(one, kind, message),
      picture: (picture) => this.at(picture.camera) === one && this.on.picture(picture),
      missed: () => {},
      refused: (afterMs) => this.#findSoon(afterMs),
      connection: (connected) => {
        if (!connected) this.#findSoon(0)
        this.on.changed()
      },
    })
    return one
  }

  #take(engine, kind, message) {
    const here = ({ camera }) => this.at(camera) === engine
    if (kind === "stats") this.on.message(kind, { ...message, cameras: message.cameras.filter(here) })
    else if (!here(message)) return
    else if (message.state === "removed") this.#findSoon(NEAR_MS) // it has moved
    else this.on.message(kind, message)
  }
}

/** The connection to an engine that wants a pass. */
class PassConnection extends EngineConnection {
  constructor(name, origin, on) {
    const request = (path, { headers, ...options } = {}) =>
      fetch(new URL(path, origin), {
        ...options,
        headers: { ...headers, Authorization: `Bearer ${this.token}` },
        credentials: "omit",
        redirect: "error",
        cache: "no-store",
      })
    const connection = (connected) => {
      if (connected) this.isRefused = false
      if (connected) this.refusals.reset()
      on.connection(connected)
    }
    const refused = () => on.refused(this.#refused())
    super({ ...on, connection, refused }, request)
    Object.assign(this, { name, origin, token: "", cameras: [], wanted: "" })
    /** Whether the engine answers, but refuses the last pass. */
    this.isRefused = false
    this.refusals = new Backoff(REFUSED_MS, LONGEST_REFUSED_MS)
    this.refusedUntil = 0
  }

  /** Show the cameras of this pass. If `prolong`, another pass for the same cameras prolongs what the earlier one began. */
  follow({ cameras, token }, prolong) {
    const wanted = cameras.toSorted().join()
    const same = wanted === this.wanted
    if (same ? !prolong : performance.now() < this.refusedUntil) return
    this.token = token
    if (same) return this.request("/api/v1/session").catch(() => {})
    this.wanted = wanted
    this.cameras = cameras
    this.messages.connect()
  }

  /** Returns the status of its cameras if the page gets nothing of them, otherwise null. */
  problem(ofController) {
    if (!this.lost) return null
    if (this.isRefused && ofController) return { state: "no_pass", reason: "no_pass", message: ofController }
    return { state: "unreachable", reason: "no_engine", message: `${this.origin} ${this.#why()}` }
  }

  close() {
    this.messages.end()
    this.pictures.show([], 0, 0)
  }

  #why() {
    if (this.isRefused) return "refuses the pass of the controller. Trying again…"
    if (location.protocol === "https:" && this.origin.startsWith("http:"))
      return "is not encrypted, as this page is, so that browsers refuse it. Set http.tls_certificate of the engine."
    return "does not answer this browser. Trying again…"
  }

  /** Returns after which time a pass connects again, ms, longer each time: another engine may be there. */
  #refused() {
    this.isRefused = true
    this.wanted = ""
    this.cameras = []
    this.pictures.show([], 0, 0)
    const afterMs = this.refusals.next()
    this.refusedUntil = performance.now() + afterMs
    return afterMs
  }
}

/** Returns a camera's status of the controller in the form of an engine's. */
function statusOf({ state, message }) {
  if (state === "disabled") return { state: "ended", reason: "disabled", message }
  if (state === "unplaced") return { state, reason: state, message: sentence(message) }
  return { state, reason: null, message: "" }
}
