// The live page of a fleet: the controller tells where each camera is, and the engines send pictures and results.

import { Problem, ask } from "/page/api.js"
import { CameraViews } from "/page/camera_views.js"
import { field } from "/page/elements.js"
import { showHealth } from "/page/health.js"
import { buildHelp } from "/page/help.js"
import { legend } from "/page/legend.js"
import { PictureChoice } from "/page/picture_choice.js"
import { Session } from "/page/session.js"
import { SHORTCUTS, listenToShortcuts } from "/page/shortcuts.js"
import { themeButton } from "/page/theme.js"
import { plural, sentence, takeModel } from "/page/words.js"
import { CameraList } from "./camera_list.js"
import { EngineConnection } from "./engine_connection.js"

const UPDATE_MS = 300
const LIST_EVERY_MS = 30000
const FIND_EVERY_MS = 2000 // a camera that has moved is found after this
const SETTLE_MS = 120
const NEAR_MS = 500 // between requests after an engine has told of a change
const MAX_SHOWN = 256
const UNREACHED = "The controller cannot be reached."

class FleetApp {
  constructor() {
    this.page = [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("")
    this.cameras = new CameraList()
    this.engines = new Map() // connections by engine and origin
    this.at = new Map() // the connection of each camera that is shown
    this.signedIn = false
    this.listed = false
    this.problem = "" // why the controller does not help
    this.finding = null
    this.timer = 0
    this.findAt = 0 // when the timer ends
    this.prolongedAt = 0
    buildHelp(SHORTCUTS, legend())
    this.session = new Session({ signedIn: () => this.#signedIn(), failed: () => this.#fail(UNREACHED) })
    this.views = new CameraViews(
      {
        opened: (id) => this.#opened(id),
        changed: () => {
          this.#update()
          this.#choosePictures()
        },
        viewChanged: () => this.#findSoon(SETTLE_MS),
        alerts: () => [],
        drawn: () => {},
      },
      true,
    )
    this.choice = new PictureChoice(
      this.views,
      () => this.#choosePictures(),
      (...parts) => this.at.get(this.views.opened)?.request(...parts) ?? Promise.reject(new TypeError("no engine")),
    )
    this.#listen()
  }

  #listen() {
    themeButton(field("theme"))
    listenToShortcuts(this.views)
    document.addEventListener("visibilitychange", () => this.#findSoon(0))
    setInterval(() => this.#update(), UPDATE_MS)
    setInterval(() => this.signedIn && !document.hidden && this.list(), LIST_EVERY_MS)
  }

  async #signedIn() {
    this.signedIn = true
    this.problem = ""
    await this.list()
    this.views.begin()
    this.#findSoon(0)
  }

  #askForToken() {
    this.signedIn = false
    this.session.askForToken()
  }

  #fail(problem) {
    this.problem = problem
    this.#updateHealth()
  }

  // -- the controller -----------------------------------------------------------------------------------------------
  /** Load the cameras, their settings and what the controller knows of their states, as far as they have changed. */
  async list() {
    let changed
    try {
      changed = await this.cameras.load()
    } catch (error) {
      if (error.status === 401) this.#askForToken()
      return
    }
    this.listed = true
    this.views.show(this.cameras.all)
    this.views.wall.update(changed)
    this.#update()
  }

  /** Find after this time, or when it is due already: an engine that goes on telling of changes must not delay it. */
  #findSoon(afterMs) {
    const at = performance.now() + afterMs
    if (this.timer && this.findAt <= at) return
    clearTimeout(this.timer)
    this.findAt = at
    this.timer = setTimeout(() => {
      this.timer = 0
      this.#find()
    }, afterMs)
  }

  /** Find the engines of the cameras that are shown, and get passes for them. */
  async #find() {
    if (this.finding) {
      this.finding.again = true
      return
    }
    const finding = (this.finding = { again: false })
    const shown = this.signedIn ? this.views.visible : []
    try {
      if (!shown.length) this.#follow([], [], 0)
      else {
        const cameras = shown.slice(0, MAX_SHOWN)
        const found = await ask("POST", "/api/v1/fleet/views", { page: this.page, cameras })
        this.problem = ""
        if (found.cameras.length < cameras.length) this.list() // some are gone
        this.#follow(found.cameras, found.engines, found.life_s)
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      if (error.status === 401) this.#askForToken()
      else this.problem = error.status ? sentence(error.message) : `${UNREACHED} Reconnecting…`
    } finally {
      this.finding = null
      this.#findSoon(finding.again ? 0 : FIND_EVERY_MS)
    }
  }

  /** Connect to the engines of these passes, and to no others. */
  #follow(places, passes, lifeS) {
    const now = performance.now()
    const prolong = now - this.prolongedAt > (lifeS * 1000) / 3
    if (prolong) this.prolongedAt = now
    const before = this.at
    this.at = new Map()
    for (const { engine: name, origin, token, cameras } of passes) {
      const key = `${name} ${origin}` // two engines that announce one origin must not take each other's connection
      if (!this.engines.has(key)) this.engines.set(key, this.#connect(origin))
      const engine = this.engines.get(key)
      engine.follow({ cameras, token }, prolong)
      for (const camera of cameras) this.at.set(camera, engine)
    }
    const used = new Set(this.at.values())
    for (const [key, engine] of this.engines) {
      if (used.has(engine)) continue
      engine.close()
      this.engines.delete(key)
    }
    const { cameras, opened } = this.views
    for (const place of places) cameras.get(place.id)?.place(place)
    const placed = new Set(places.map(({ id }) => id))
    for (const id of before.keys()) if (!placed.has(id)) cameras.get(id)?.leave()
    if (opened && before.get(opened) !== this.at.get(opened)) this.choice.video.show(null) // it has moved
    this.#choosePictures()
    this.#update()
  }

  // -- the engines --------------------------------------------------------------------------------------------------
  #connect(origin) {
    const engine = new EngineConnection(origin, {
      message: (kind, message) => this.#take(engine, kind, message),
      picture: (picture) => {
        if (this.at.get(picture.camera) !== engine) return
        this.views.screens(picture.camera).forEach((screen) => screen.take(picture))
      },
      error: () => {},
      changed: () => this.#updateHealth(),
    })
    return engine
  }

  #take(engine, kind, message) {
    const { cameras } = this.views
    if (message.model) takeModel(message.model)
    if (kind === "stats") {
      for (const one of message.cameras) {
        if (this.at.get(one.camera) === engine) cameras.get(one.camera)?.addStats(one, message.at_us, message.load)
      }
      return
    }
    const camera = cameras.get(message.camera)
    if (!camera || this.at.get(message.camera) !== engine) return
    if (message.state === "removed") return this.#findSoon(NEAR_MS) // it has moved
    if (camera.isNew(kind, message)) this.views.take(kind, camera, message)
  }

  #choosePictures() {
    const { cameras, width, fps } = this.choice.choose((id) => this.at.has(id))
    for (const engine of this.engines.values()) engine.show(width, fps, !cameras.length)
  }

  // -- display ------------------------------------------------------------------------------------------------------
  #opened(id) {
    field("rail").hidden = !id
    this.#findSoon(0)
    this.#update()
  }

  #update() {
    if (document.hidden) return
    const { cameras } = this.views
    for (const [id, engine] of this.at) {
      if (engine.passRefused || engine.unreachable) cameras.get(id)?.lose(...lost(engine, this.problem))
    }
    this.views.update(this.listed)
    this.#updateHealth()
  }

  #updateHealth() {
    const [level, text] = this.#health()
    showHealth(level, text, this.problem)
  }

  /** Returns [level, text]. */
  #health() {
    if (this.problem) {
      const { cameras } = this.views
      const shown = [...this.at].filter(([id, engine]) => engine.connected && cameras.get(id)?.live)
      return shown.length ? ["warn", `Pictures of ${plural(shown.length, "camera")}`] : ["bad", "No pictures"]
    }
    if (!this.listed) return ["wait", "Connecting…"]
    const cameras = [...this.views.cameras.values()]
    const down = cameras.filter((camera) => !camera.live && camera.status.reason !== "disabled")
    const begun = down.filter((camera) => camera.status.state !== "connecting")
    if (begun.length) return ["bad", `${begun.length} of ${plural(cameras.length, "camera")} down`]
    if (down.length) return ["wait", `${down.length} of ${plural(cameras.length, "camera")} connecting`]
    return ["good", cameras.length ? `${plural(cameras.length, "camera")} live` : "Ready"]
  }
}

/** Returns [state, message] of the cameras of an engine of which the page gets nothing. */
function lost({ origin, passRefused }, problem) {
  if (passRefused && problem) return ["pass_ended", `The pass for ${origin} has ended, and the controller gives the next one.`]
  if (passRefused) return ["pass_refused", `${origin} refuses the pass of the controller. Trying again…`]
  return ["unreachable", unreachable(origin)]
}

/** Returns why a browser may not reach an engine. */
function unreachable(origin) {
  if (location.protocol === "https:" && origin.startsWith("http:")) {
    return `This page is encrypted, and ${origin} is not, so that browsers refuse it. Set http.tls_certificate of the engine.`
  }
  return `${origin} does not answer this browser. Trying again…`
}

new FleetApp().session.begin()
