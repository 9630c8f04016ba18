// The live page: connects the engine's messages, the views and the user's input.

import { ask } from "./api.js"
import { AlertsList } from "./alerts_list.js"
import { CameraForm } from "./camera_form.js"
import { CameraViews } from "./camera_views.js"
import { Camera } from "./cameras.js"
import { field } from "./elements.js"
import { EventsList } from "./events_list.js"
import { showHealth } from "./health.js"
import { buildHelp } from "./help.js"
import { legend } from "./legend.js"
import { MessageFeed } from "./message_feed.js"
import { PictureChoice } from "./picture_choice.js"
import { PictureFeed } from "./picture_feed.js"
import { Session } from "./session.js"
import { SHORTCUTS, listenToShortcuts } from "./shortcuts.js"
import { themeButton } from "./theme.js"
import { duration, dropWords, percent, plural, reducedDetail, takeModel } from "./words.js"

const UPDATE_MS = 300
const LIST_EVERY_MS = 30000
const RELIST_MS = 200
const NOTICE_MS = 4000 // minimum time between changes of the notice, so that it can be read

class App {
  constructor() {
    this.connected = false
    this.lost = false
    this.stats = null
    this.pictureError = ""
    this.noticedAt = 0
    this.listing = 0

    buildHelp(SHORTCUTS, legend())
    this.session = new Session({
      signedIn: (role) => this.#signedIn(role),
      failed: () => this.#connection(false),
    })
    this.messages = new MessageFeed({
      message: (kind, message) => this.#take(kind, message),
      connection: (connected) => this.#connection(connected),
      missed: () => this.alerts.available && this.alerts.load(),
      refused: () => this.session.askForToken(),
    })
    this.pictures = new PictureFeed({
      picture: (picture) => this.views.screens(picture.camera).forEach((screen) => screen.take(picture)),
      error: (text) => (this.pictureError = text),
    })
    const changed = () => {
      this.#update()
      this.#choosePictures()
    }
    this.views = new CameraViews({
      opened: changed,
      changed,
      viewChanged: () => this.#choosePictures(),
      alerts: (id) => this.alerts.openOf(id),
      drawn: (camera, bitmap, epoch, frame) => this.events.drawn(camera, bitmap, epoch, frame),
      change: (id) => this.form.open(this.views.cameras.get(id)),
      zonesSaved: () => {
        this.list()
        if (this.alerts.available) this.alerts.load() // rules can name zones that are gone
      },
    })
    this.choice = new PictureChoice(this.views, () => this.#choosePictures())
    const known = (id) => this.views.cameras.get(id)
    this.events = new EventsList(field("events"), field("no-events"), {
      open: (id) => known(id) && this.views.open(id),
    })
    this.alerts = new AlertsList({
      open: (id) => (id === null || known(id)) && this.views.open(id),
      nowUs: (id) => known(id)?.latest?.capture_us ?? null,
      changed: () => this.#update(),
    })
    this.form = new CameraForm({
      changed: () => this.list(),
      removed: (id) => this.list().then(() => this.views.opened === id && this.views.open(null)),
    })
    this.#listen()
  }

  #listen() {
    themeButton(field("theme"))
    listenToShortcuts(this.views)
    field("add").addEventListener("click", () => this.form.open())
    document.addEventListener("visibilitychange", () => this.#visibility())
    setInterval(() => this.#update(), UPDATE_MS)
    setInterval(() => this.connected && !document.hidden && this.list(), LIST_EVERY_MS)
  }

  async #signedIn(role) {
    this.views.canChange = role === "control"
    field("add").hidden = !this.views.canChange
    field("empty-control").hidden = !this.views.canChange
    field("empty-read").hidden = this.views.canChange
    this.alerts.mayAcknowledge = role !== "read"
    await Promise.all([this.list(), this.alerts.load()])
    this.messages.withAlerts = this.alerts.available
    this.messages.connect(!document.hidden)
    this.pictures.again()
    this.views.begin()
  }

  /** Load the cameras and their settings. */
  async list() {
    let views
    try {
      views = (await ask("GET", "/api/v1/cameras")).cameras
    } catch (error) {
      if (error.status === 401) this.session.askForToken()
      return
    }
    const before = this.views.cameras
    const now = new Map(views.map((view) => [view.id, before.get(view.id) ?? new Camera(view)]))
    for (const view of views) now.get(view.id).take(view)
    this.views.show(now)
    this.#update()
    this.#choosePictures()
  }

  // -- the engine's messages --------------------------------------------------------------------------------------
  #take(kind, message) {
    const { cameras } = this.views
    if (message.model) takeModel(message.model)
    if (kind === "stats") {
      this.stats = message
      for (const one of message.cameras) cameras.get(one.camera)?.addStats(one, message.at_us, message.load)
      if (message.cameras.some((one) => !cameras.has(one.camera))) this.#listSoon()
      this.alerts.listed(message.open_alerts)
      return
    }
    if (kind === "alerts") return this.alerts.take(message)
    const camera = cameras.get(message.camera)
    if (!camera || message.state === "removed") return this.#listSoon()
    if (!camera.isNew(kind, message)) return
    if (kind === "events") this.events.add(message)
    else this.views.take(kind, camera, message)
  }

  #listSoon() {
    this.listing ||= setTimeout(() => {
      this.listing = 0
      this.list()
    }, RELIST_MS)
  }

  #connection(connected) {
    if (connected && !this.connected) this.list() // for changes in the meantime
    if (connected && this.alerts.available) this.alerts.load()
    this.connected = connected
    this.lost = !connected
    this.#updateHealth()
  }

  /** Request pictures of the visible cameras only. */
  #choosePictures() {
    const { cameras, width, fps } = this.choice.choose()
    this.pictures.show(cameras, width, fps)
  }

  #visibility() {
    this.messages.withResults = !document.hidden // also when it connects again
    if (this.connected) this.messages.connect()
    this.#choosePictures()
  }

  // -- display ---------------------------------------------------------------------------------------------------
  #update() {
    if (document.hidden) return
    const { filter, opened } = this.views
    this.views.update(this.connected)
    this.events.choose(filter.text, opened)
    this.alerts.choose(opened)
    this.alerts.update()
    this.#updateHealth()
  }

  #updateHealth() {
    const [level, text, notice] = this.#health()
    const now = performance.now()
    const same = field("health-text").textContent === text && Boolean(notice) !== field("notice").hidden
    if (same && now - this.noticedAt < NOTICE_MS) return
    this.noticedAt = now
    showHealth(level, text, notice)
  }

  /** Returns [level, short text, notice]. */
  #health() {
    const cameras = [...this.views.cameras.values()]
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

new App().session.begin()
