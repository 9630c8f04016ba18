// The live page: connects the engine's messages, the views and the user's input.

import { Problem, ask } from "./api.js"
import { AlertsList } from "./alerts_list.js"
import { Camera } from "./cameras.js"
import { CameraForm } from "./camera_form.js"
import { Detail } from "./detail.js"
import { EventsList } from "./events_list.js"
import { MessageFeed } from "./message_feed.js"
import { PictureFeed } from "./picture_feed.js"
import { Session } from "./session.js"
import { themeButton } from "./theme.js"
import { VideoFeed } from "./video_feed.js"
import { Wall } from "./wall.js"
import { duration, dropWords, percent, plural, reducedDetail, takeModel, words } from "./words.js"

const UPDATE_MS = 300
const LIST_EVERY_MS = 30000
const WALL_FPS = 12.5
const LARGE_FPS = 25
const MAX_VIDEO_AGE_MS = 600 // video is not delayed for longer, so later results would miss their frame
const MAX_ACTIONS = 60
const RELIST_MS = 200
const RETRY_MS = 2000
const NOTICE_MS = 4000 // minimum time between changes of the notice, so that it can be read

const field = (id) => document.getElementById(id)

class App {
  constructor() {
    this.cameras = new Map()
    this.actions = new Set()
    this.filter = ""
    this.detector = false // whether to show what the detector looks at
    this.zones = true // whether to show the zones of the enlarged camera
    this.opened = null
    this.canChange = false
    this.connected = false
    this.lost = false
    this.stats = null
    this.pictureError = ""
    this.noticedAt = 0
    this.listing = 0

    const drawn = (camera, bitmap, epoch, frame) => this.events.drawn(camera, bitmap, epoch, frame)
    this.session = new Session({ signedIn: (role) => this.#signedIn(role) })
    this.messages = new MessageFeed({
      message: (kind, message) => this.#take(kind, message),
      connection: (connected) => this.#connection(connected),
      missed: () => this.alerts.available && this.alerts.load(),
      refused: () => this.session.askForToken(),
    })
    this.pictures = new PictureFeed({
      picture: (picture) => this.#screens(picture.camera).forEach((screen) => screen.take(picture)),
      error: (text) => (this.pictureError = text),
    })
    this.video = new VideoFeed({
      picture: (picture) => {
        const [screen] = this.#screens(picture.camera)
        if (screen) screen.takeVideo(picture)
        else picture.bitmap.close()
      },
      changed: () => this.#choosePictures(),
      widest: (camera) => this.#screens(camera)[0]?.canvas.width,
    })
    const look = () => ({ filter: this.filter, detector: this.detector })
    this.wall = new Wall(field("wall"), () => ({ ...look(), chosen: null, states: 1 }), {
      open: (id) => this.open(id),
      viewChanged: () => this.#choosePictures(),
      alerts: (id) => this.alerts.openOf(id),
      drawn,
    })
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
        change: (id) => this.form.open(this.cameras.get(id)),
        toggleDetector: () => this.#toggleDetector(),
        toggleZones: () => this.#toggleZones(),
        zonesSaved: () => {
          this.list()
          if (this.alerts.available) this.alerts.load() // rules can name zones that are gone
        },
        alerts: (id) => this.alerts.openOf(id),
        drawn,
      },
    )
    this.events = new EventsList(field("events"), field("no-events"), {
      open: (id) => this.cameras.has(id) && this.open(id),
    })
    this.alerts = new AlertsList({
      open: (id) => (id === null || this.cameras.has(id)) && this.open(id),
      nowUs: (id) => this.cameras.get(id)?.latest?.capture_us ?? null,
      changed: () => this.#update(),
    })
    this.form = new CameraForm({
      changed: () => this.list(),
      removed: (id) => this.list().then(() => this.opened === id && this.open(null)),
    })
    this.#listen()
  }

  async begin() {
    try {
      await this.session.begin()
    } catch {
      this.#connection(false)
      setTimeout(() => this.begin(), RETRY_MS)
    }
  }

  #listen() {
    themeButton(field("theme"))
    field("add").addEventListener("click", () => this.form.open())
    field("help-open").addEventListener("click", () => field("help-dialog").showModal())
    field("help-close").addEventListener("click", () => field("help-dialog").close())
    field("filter").addEventListener("input", (event) => this.#filterBy(event.target.value))
    document.addEventListener("keydown", (event) => this.#key(event))
    document.addEventListener("visibilitychange", () => this.#visibility())
    document.querySelector(".brand").addEventListener("click", (event) => {
      event.preventDefault()
      this.open(null)
    })
    addEventListener("popstate", () => this.#openFromAddress())
    addEventListener("resize", () => this.#choosePictures())
    setInterval(() => this.#update(), UPDATE_MS)
    setInterval(() => this.connected && !document.hidden && this.list(), LIST_EVERY_MS)
  }

  async #signedIn(role) {
    this.canChange = role === "control"
    field("add").hidden = !this.canChange
    field("empty-control").hidden = !this.canChange
    field("empty-read").hidden = this.canChange
    this.alerts.mayAcknowledge = role !== "read"
    await Promise.all([this.list(), this.alerts.load()])
    this.messages.withAlerts = this.alerts.available
    this.messages.connect(!document.hidden)
    this.pictures.again()
    this.#openFromAddress()
    if (!this.opened) document.querySelector(".tile")?.focus({ focusVisible: false, preventScroll: true })
  }

  /** Load the cameras and their settings. */
  async list() {
    try {
      const { cameras } = await ask("GET", "/api/v1/cameras")
      const before = this.cameras
      this.cameras = new Map(cameras.map((view) => [view.id, before.get(view.id) ?? new Camera(view)]))
      for (const view of cameras) this.cameras.get(view.id).take(view)
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.session.askForToken()
      return
    }
    this.wall.arrange(this.cameras)
    if (this.opened && !this.cameras.has(this.opened)) {
      this.detail.stopEditing()
      this.open(null)
    }
    this.#update()
    this.#choosePictures()
  }

  // -- the engine's messages --------------------------------------------------------------------------------------
  #take(kind, message) {
    if (message.model) takeModel(message.model)
    if (kind === "stats") {
      this.stats = message
      for (const one of message.cameras) this.cameras.get(one.camera)?.addStats(one, message.at_us, message.load)
      if (message.cameras.some((one) => !this.cameras.has(one.camera))) this.#listSoon()
      this.alerts.listed(message.open_alerts)
      return
    }
    if (kind === "alerts") return this.alerts.take(message)
    const camera = this.cameras.get(message.camera)
    if (!camera || message.state === "removed") return this.#listSoon()
    if (!camera.isNew(kind, message)) return
    if (kind === "results") {
      camera.addResult(message)
      for (const person of message.people) if (person.action) this.#addAction(words(person.action.label))
      for (const screen of this.#screens(camera.id)) screen.match()
    } else if (kind === "events") {
      this.events.add(message)
    } else {
      camera.addStatus(message)
      this.#update()
      this.#choosePictures()
    }
  }

  #listSoon() {
    this.listing ||= setTimeout(() => {
      this.listing = 0
      this.list()
    }, RELIST_MS)
  }

  #addAction(label) {
    if (this.actions.has(label) || this.actions.size >= MAX_ACTIONS) return
    this.actions.add(label)
    const option = document.createElement("option")
    option.value = label
    field("actions").append(option)
  }

  #connection(connected) {
    if (connected && !this.connected) this.list() // for changes in the meantime
    if (connected && this.alerts.available) this.alerts.load()
    this.connected = connected
    this.lost = !connected
    this.#updateHealth()
  }

  // -- visible cameras -------------------------------------------------------------------------------------------
  #screens(id) {
    const screen = this.opened ? this.opened === id && this.detail.screen : this.wall.tiles.get(id)?.screen
    return screen ? [screen] : []
  }

  /** Request pictures of the visible cameras only. */
  #choosePictures() {
    const large = this.cameras.get(document.hidden ? null : this.opened)
    this.video.show(large?.live && large.ageMs < MAX_VIDEO_AGE_MS ? large.id : null)
    const ids = document.hidden ? [] : this.opened ? [this.opened] : [...this.wall.inView]
    if (this.video.playing) ids.length = 0
    const screen = ids.length ? this.#screens(ids[0])[0] : null
    const width = (screen?.element.clientWidth || 320) * Math.min(2, devicePixelRatio || 1)
    const most = this.opened ? 1280 : 640
    this.pictures.show(ids, Math.min(most, Math.ceil(width / 160) * 160), this.opened ? LARGE_FPS : WALL_FPS)
  }

  #visibility() {
    if (this.connected) this.messages.connect(!document.hidden)
    this.#choosePictures()
  }

  /** Enlarge a camera, or show all cameras if `id` is null. */
  open(id, remember = true) {
    const from = this.opened
    if (id === from) return
    if (this.detail.editor) return this.detail.editor.leave(() => this.open(id, remember))
    this.opened = id
    field("wall").hidden = Boolean(id)
    if (id) this.detail.open(this.cameras.get(id), this.canChange)
    else this.detail.close()
    if (!id) this.wall.focus(from)
    if (remember) history.pushState(null, "", id ? `#${id}` : location.pathname)
    if (id) scrollTo(0, 0)
    this.#update()
    this.#choosePictures()
  }

  #openNeighbour(step) {
    const ids = [...this.cameras.keys()]
    this.open(ids[(ids.indexOf(this.opened) + step + ids.length) % ids.length])
  }

  #openFromAddress() {
    const hash = location.hash.slice(1)
    const id = this.cameras.has(hash) ? hash : null
    const stays = id !== this.opened && this.detail.editor // until the user agrees to leave
    if (stays) history.pushState(null, "", `#${this.opened}`)
    this.open(id, Boolean(stays))
  }

  // -- the user's input ------------------------------------------------------------------------------------------
  #filterBy(text) {
    this.filter = text.trim().toLowerCase()
    this.#redraw()
    this.#update()
  }

  #toggleDetector() {
    this.detector = !this.detector
    this.#redraw()
    this.detail.update()
  }

  #toggleZones() {
    this.zones = !this.zones
    this.#redraw()
    this.detail.update()
  }

  #redraw() {
    this.wall.redraw()
    this.detail.screen?.redraw()
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
    if (this.detail.editor) return // it has its own keys
    const typing = event.target.matches("input, select, textarea")
    if (event.key === "Escape") {
      if (this.filter) this.#filterBy((field("filter").value = ""))
      else if (typing) event.target.blur()
      else this.open(null)
      if (typing) document.querySelector(".tile")?.focus()
    } else if (typing) return
    else if (event.key === "/") field("filter").focus()
    else if (event.key.toLowerCase() === "d") this.#toggleDetector()
    else if (event.key.toLowerCase() === "z" && this.opened) this.#toggleZones()
    else if (event.key === "?") field("help-dialog").showModal()
    else if (event.key === "ArrowLeft" && this.opened) this.#openNeighbour(-1)
    else if (event.key === "ArrowRight" && this.opened) this.#openNeighbour(1)
    else if (event.key.startsWith("Arrow") && document.activeElement === document.body && !this.opened)
      document.querySelector(".tile")?.focus()
    else return
    event.preventDefault()
  }

  // -- display ---------------------------------------------------------------------------------------------------
  #update() {
    if (document.hidden) return
    this.wall.update()
    this.detail.update()
    this.events.choose(this.filter, this.opened)
    this.alerts.choose(this.opened)
    this.alerts.update()
    field("empty").hidden = this.cameras.size > 0 || !this.connected || Boolean(this.opened)
    this.#updateHealth()
  }

  #updateHealth() {
    const [level, text, notice] = this.#health()
    const now = performance.now()
    const same = field("health-text").textContent === text && Boolean(notice) !== field("notice").hidden
    if (same && now - this.noticedAt < NOTICE_MS) return
    this.noticedAt = now
    field("health").dataset.level = level
    setText(field("health-text"), text)
    field("notice").hidden = !notice
    field("notice").dataset.level = level
    setText(field("notice"), notice)
  }

  /** Returns [level, short text, notice]. */
  #health() {
    const cameras = [...this.cameras.values()]
    if (!this.connected && !this.lost) return ["wait", "Connecting…", ""]
    if (!this.connected) {
      return ["bad", "Disconnected", "The connection to the engine is lost. Reconnecting…"]
    }
    if (this.stats && !this.stats.ready)
      return ["bad", "Not ready", `The engine is not ready: ${this.stats.ready_reason}`]
    const failing = cameras.filter((camera) => camera.failing)
    if (failing.length) {
      return ["warn", "Errors", `The model fails: ${some(failing, drops)}. The engine's log has the reason.`]
    }
    const busy = cameras.filter((camera) => camera.overloaded)
    if (busy.length) {
      const remedy = "Lower max_fps, or choose a smaller detector_size."
      return ["warn", "Overloaded", `The engine is overloaded: ${some(busy, overload)}. ${remedy}`]
    }
    const dropping = cameras.filter((camera) => camera.dropping)
    if (dropping.length) {
      const why = "The model is not the cause: the frames arrive in bursts, or other programs use this machine."
      return ["warn", "Frames dropped", `${some(dropping, drops)}. ${why} A larger ring_slots may help.`]
    }
    const down = cameras.filter(
      (camera) =>
        !camera.live &&
        camera.status.reason !== "disabled" &&
        (camera.status.reason || camera.status.state !== "connecting"),
    )
    if (this.pictureError) return ["warn", "No pictures", this.pictureError]
    if (down.length) return ["bad", `${down.length} of ${plural(cameras.length, "camera")} down`, ""]
    if (this.stats && !this.stats.model.trained && this.stats.model.profile !== "free")
      return ["warn", "Untrained model", "The model is not trained: its labels mean nothing."]
    if (!cameras.length) return ["good", "Ready", ""]
    return ["good", `${plural(cameras.length, "camera")} live`, this.stats ? reducedDetail(this.stats.load) : ""]
  }
}

/** Describes some of the cameras. */
function some(cameras, describe) {
  return [...cameras.slice(0, 3).map(describe), ...(cameras.length > 3 ? ["more cameras"] : [])].join("; ")
}

function drops(camera) {
  const { share, reason } = camera.drops
  return `${camera.id} drops ${percent(share)} of its frames (${dropWords(reason)})`
}

function overload(camera) {
  return camera.tooOld ? `${camera.id} is ${duration(camera.ageMs)} behind` : drops(camera)
}

/** Change the text only if it differs: screen readers would read it again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

const app = new App()
app.begin()
