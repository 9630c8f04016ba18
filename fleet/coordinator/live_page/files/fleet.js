// The live page of a fleet: the coordinator tells where each camera is, and the engines send pictures and results.

import { Problem, ask } from "/page/api.js"
import { Detail } from "/page/detail.js"
import { Session } from "/page/session.js"
import { themeButton } from "/page/theme.js"
import { VideoFeed } from "/page/video_feed.js"
import { Wall } from "/page/wall.js"
import { plural, takeModel, words } from "/page/words.js"
import { EngineConnection } from "./engine_connection.js"
import { FleetCamera, sentence } from "./fleet_camera.js"

const UPDATE_MS = 300
const LIST_EVERY_MS = 30000
const FIND_EVERY_MS = 2000 // a camera that has moved is found after this
const SETTLE_MS = 120
const RETRY_MS = 2000
const NEAR_MS = 500 // between requests after an engine has told of a change
const WALL_FPS = 12.5
const LARGE_FPS = 25
const MAX_VIDEO_AGE_MS = 600 // as on an engine's page
const MAX_ACTIONS = 60
const MAX_SHOWN = 256

const field = (id) => document.getElementById(id)

class FleetApp {
  constructor() {
    this.page = [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("")
    this.cameras = new Map()
    this.engines = new Map() // connections by engine and origin
    this.at = new Map() // the connection of each camera that is shown
    this.actions = new Set()
    this.filter = ""
    this.detector = false
    this.zones = true
    this.opened = null
    this.signedIn = false
    this.listed = false
    this.problem = "" // why the coordinator does not help
    this.finding = null
    this.timer = 0
    this.findAt = 0 // when the timer ends
    this.prolongedAt = 0
    this.session = new Session({ signedIn: () => this.#signedIn() })
    this.video = new VideoFeed(
      {
        picture: (picture) => {
          const [screen] = this.#screens(picture.camera)
          if (screen) screen.takeVideo(picture)
          else picture.bitmap.close()
        },
        changed: () => this.#choosePictures(),
        widest: (camera) => this.#screens(camera)[0]?.canvas.width,
      },
      (...parts) => this.at.get(this.opened)?.request(...parts) ?? Promise.reject(new TypeError("no engine")),
    )
    const look = () => ({ filter: this.filter, detector: this.detector })
    const drawn = () => {}
    const alerts = () => []
    this.wall = new Wall(
      field("wall"),
      () => ({ ...look(), chosen: null, states: 1 }),
      { open: (id) => this.open(id), viewChanged: () => this.#findSoon(SETTLE_MS), alerts, drawn },
      true,
    )
    this.detail = new Detail(
      {
        detail: field("detail"),
        peoplePanel: field("people-panel"),
        people: field("people"),
        whyPanel: field("why-panel"),
        why: field("why"),
      },
      () => ({ ...look(), zones: this.zones }),
      {
        close: () => this.open(null),
        toggleDetector: () => this.#toggle("detector"),
        toggleZones: () => this.#toggle("zones"),
        alerts,
        drawn,
      },
    )
    this.#listen()
  }

  async begin() {
    try {
      await this.session.begin()
    } catch {
      this.problem = "The coordinator cannot be reached."
      this.#updateHealth()
      setTimeout(() => this.begin(), RETRY_MS)
    }
  }

  #listen() {
    themeButton(field("theme"))
    field("help-open").addEventListener("click", () => field("help-dialog").showModal())
    field("help-close").addEventListener("click", () => field("help-dialog").close())
    field("filter").addEventListener("input", (event) => this.#filterBy(event.target.value))
    document.addEventListener("keydown", (event) => this.#key(event))
    document.addEventListener("visibilitychange", () => this.#findSoon(0))
    document.querySelector(".brand").addEventListener("click", (event) => {
      event.preventDefault()
      this.open(null)
    })
    addEventListener("popstate", () => this.#openFromAddress())
    addEventListener("resize", () => this.#choosePictures())
    setInterval(() => this.#update(), UPDATE_MS)
    setInterval(() => this.signedIn && !document.hidden && this.list(), LIST_EVERY_MS)
  }

  async #signedIn() {
    this.signedIn = true
    this.problem = ""
    await this.list()
    this.#openFromAddress()
    this.#findSoon(0)
    if (!this.opened) document.querySelector(".tile")?.focus({ focusVisible: false, preventScroll: true })
  }

  #askForToken() {
    this.signedIn = false
    this.session.askForToken()
  }

  // -- the coordinator ----------------------------------------------------------------------------------------------
  /** Load the cameras, their settings and what the coordinator knows of their states. */
  async list() {
    try {
      const { cameras } = await ask("GET", "/api/v1/cameras")
      const before = this.cameras
      this.cameras = new Map(cameras.map((view) => [view.id, before.get(view.id) ?? new FleetCamera(view)]))
      for (const view of cameras) this.cameras.get(view.id).take(view)
      this.listed = true
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.#askForToken()
      return
    }
    this.wall.arrange(this.cameras)
    this.wall.update(true)
    if (this.opened && !this.cameras.has(this.opened)) this.open(null)
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
    const shown = this.signedIn && !document.hidden ? (this.opened ? [this.opened] : [...this.wall.inView]) : []
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
      else this.problem = error.status ? `${sentence(error.message)}.` : "The coordinator cannot be reached. Reconnecting…"
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
    for (const { engine: name, origin, shared, token, cameras } of passes) {
      const key = `${name} ${origin}` // two engines that announce one origin must not take each other's connection
      if (!this.engines.has(key)) this.engines.set(key, this.#connect(origin))
      const engine = this.engines.get(key)
      engine.shared = shared
      engine.follow({ cameras, token }, prolong)
      for (const camera of cameras) this.at.set(camera, engine)
    }
    const used = new Set(this.at.values())
    for (const [key, engine] of this.engines) {
      if (used.has(engine)) continue
      engine.close()
      this.engines.delete(key)
    }
    for (const place of places) this.cameras.get(place.id)?.place(place)
    const placed = new Set(places.map(({ id }) => id))
    for (const id of before.keys()) if (!placed.has(id)) this.cameras.get(id)?.leave()
    if (this.opened && before.get(this.opened) !== this.at.get(this.opened)) this.video.show(null) // it has moved
    this.#choosePictures()
    this.#update()
  }

  // -- the engines --------------------------------------------------------------------------------------------------
  #connect(origin) {
    const engine = new EngineConnection(origin, {
      message: (kind, message) => this.#take(engine, kind, message),
      picture: (picture) => {
        if (this.at.get(picture.camera) !== engine) return
        this.#screens(picture.camera).forEach((screen) => screen.take(picture))
      },
      error: () => {},
      changed: () => this.#updateHealth(),
    })
    return engine
  }

  #take(engine, kind, message) {
    if (message.model) takeModel(message.model)
    if (kind === "stats") {
      for (const one of message.cameras) {
        if (this.at.get(one.camera) === engine) this.cameras.get(one.camera)?.addStats(one, message.at_us, message.load)
      }
      return
    }
    const camera = this.cameras.get(message.camera)
    if (!camera || this.at.get(message.camera) !== engine) return
    if (message.state === "removed") return this.#findSoon(NEAR_MS) // it has moved
    if (!camera.isNew(kind, message)) return
    if (kind === "results") {
      camera.addResult(message)
      for (const person of message.people) if (person.action) this.#addAction(words(person.action.label))
      for (const screen of this.#screens(camera.id)) screen.match()
    } else if (kind === "status") {
      camera.addStatus(message)
      this.#update()
      this.#choosePictures()
    }
  }

  #addAction(label) {
    if (this.actions.has(label) || this.actions.size >= MAX_ACTIONS) return
    this.actions.add(label)
    const option = document.createElement("option")
    option.value = label
    field("actions").append(option)
  }

  // -- visible cameras ----------------------------------------------------------------------------------------------
  #screens(id) {
    const screen = this.opened ? this.opened === id && this.detail.screen : this.wall.tiles.get(id)?.screen
    return screen ? [screen] : []
  }

  #choosePictures() {
    const large = this.cameras.get(document.hidden ? null : this.opened)
    const plays = large?.live && this.at.has(large.id) && large.ageMs < MAX_VIDEO_AGE_MS
    this.video.show(plays ? large.id : null)
    const [first] = this.opened ? [this.opened] : this.wall.inView
    const screen = first === undefined ? null : this.#screens(first)[0]
    const width = (screen?.element.clientWidth || 320) * Math.min(2, devicePixelRatio || 1)
    const most = this.opened ? 1280 : 640
    const asked = Math.min(most, Math.ceil(width / 160) * 160)
    for (const engine of this.engines.values()) {
      engine.show(asked, this.opened ? LARGE_FPS : WALL_FPS, Boolean(this.video.playing))
    }
  }

  /** Enlarge a camera, or show all cameras if `id` is null. */
  open(id, remember = true) {
    const from = this.opened
    if (id === from) return
    this.opened = id
    field("wall").hidden = Boolean(id)
    field("rail").hidden = !id
    if (id) this.detail.open(this.cameras.get(id), false)
    else this.detail.close()
    if (!id) this.wall.focus(from)
    if (remember) history.pushState(null, "", id ? `#${id}` : location.pathname)
    if (id) scrollTo(0, 0)
    this.#findSoon(0)
    this.#update()
  }

  #openNeighbour(step) {
    const ids = [...this.cameras.keys()]
    this.open(ids[(ids.indexOf(this.opened) + step + ids.length) % ids.length])
  }

  #openFromAddress() {
    const hash = location.hash.slice(1)
    this.open(this.cameras.has(hash) ? hash : null, false)
  }

  // -- the user's input ---------------------------------------------------------------------------------------------
  #filterBy(text) {
    this.filter = text.trim().toLowerCase()
    this.#redraw()
    this.#update()
  }

  #toggle(name) {
    this[name] = !this[name]
    this.#redraw()
    this.detail.update()
  }

  #redraw() {
    this.wall.redraw()
    this.detail.screen?.redraw()
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
    const typing = event.target.matches("input, select, textarea")
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (key === "Escape") {
      if (this.filter) this.#filterBy((field("filter").value = ""))
      else if (typing) event.target.blur()
      else this.open(null)
    } else if (typing) return
    else if (key === "/") field("filter").focus()
    else if (key === "d") this.#toggle("detector")
    else if (key === "z" && this.opened) this.#toggle("zones")
    else if (key === "?") field("help-dialog").showModal()
    else if (key === "ArrowLeft" && this.opened) this.#openNeighbour(-1)
    else if (key === "ArrowRight" && this.opened) this.#openNeighbour(1)
    else if (key.startsWith("Arrow") && document.activeElement === document.body && !this.opened)
      document.querySelector(".tile")?.focus()
    else return
    event.preventDefault()
  }

  // -- display ------------------------------------------------------------------------------------------------------
  #update() {
    if (document.hidden) return
    for (const [id, engine] of this.at) if (engine.unreachable) this.cameras.get(id)?.lose(unreachable(engine))
    this.wall.update()
    this.detail.update()
    field("empty").hidden = this.cameras.size > 0 || !this.listed || Boolean(this.opened)
    this.#updateHealth()
  }

  #updateHealth() {
    const [level, text] = this.#health()
    field("health").dataset.level = level
    setText(field("health-text"), text)
    field("notice").hidden = !this.problem
    field("notice").dataset.level = "bad"
    setText(field("notice"), this.problem)
  }

  /** Returns [level, text]. */
  #health() {
    if (this.problem) return ["bad", "No pictures"]
    if (!this.listed) return ["wait", "Connecting…"]
    const cameras = [...this.cameras.values()]
    const down = cameras.filter((camera) => !camera.live && camera.status.reason !== "disabled")
    const begun = down.filter((camera) => camera.status.state !== "connecting")
    if (begun.length) return ["bad", `${begun.length} of ${plural(cameras.length, "camera")} down`]
    if (down.length) return ["wait", `${down.length} of ${plural(cameras.length, "camera")} connecting`]
    return ["good", cameras.length ? `${plural(cameras.length, "camera")} live` : "Ready"]
  }
}

/** Returns why a browser may not reach an engine. */
function unreachable({ origin, shared }) {
  if (shared) return `Two engines say that they are at ${origin}: correct membership.public_host or engine.http.bind of one.`
  if (location.protocol === "https:" && origin.startsWith("http:")) {
    return `This page is encrypted, and ${origin} is not, so that browsers refuse it. Set http.tls_certificate of the engine.`
  }
  return `${origin} does not answer this browser. Trying again…`
}

/** Change the text only if it differs: screen readers would read it again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

new FleetApp().begin()
