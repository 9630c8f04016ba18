// The live page: connects what engines send, the views and the user's input.

import { AlertsList } from "./alerts_list.js"
import { CameraForm } from "./camera_form.js"
import { CameraViews } from "./camera_views.js"
import { Camera } from "./cameras.js"
import { field } from "./elements.js"
import { Engines } from "./engines.js"
import { EventsList } from "./events_list.js"
import { showHealth } from "./health.js"
import { buildHelp } from "./help.js"
import { legend } from "./legend.js"
import { PictureChoice } from "./picture_choice.js"
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
    this.signedIn = this.listed = false
    this.problem = "" // why the cameras are not known
    this.noticedAt = 0
    this.listing = 0

    buildHelp(SHORTCUTS, legend())
    this.session = new Session({
      signedIn: (role) => this.#signedIn(role),
      failed: (error) => (this.problem = error.message),
    })
    const changed = () => {
      this.#update()
      this.#choosePictures()
    }
    this.engines = new Engines({
      message: (kind, message) => this.#take(kind, message),
      picture: (picture) => this.views.screens(picture.camera).forEach((screen) => screen.take(picture)),
      missed: () => this.alerts.load(),
      listChanged: () => this.list(),
      changed,
      refused: () => this.session.askForToken(),
    })
    this.views = new CameraViews({
      opened: () => this.#viewChanged(),
      changed,
      viewChanged: () => this.#viewChanged(),
      alerts: (id) => this.alerts.openOf(id),
      drawn: (camera, bitmap, epoch, frame) => this.events.drawn(camera, bitmap, epoch, frame),
      change: (id) => this.form.open(this.views.cameras.get(id)),
      zonesSaved: () => {
        this.list()
        this.alerts.load() // rules can name zones that are gone
      },
    })
    this.choice = new PictureChoice(this.views, () => this.#choosePictures())
    const known = (id) => this.views.cameras.get(id)
    this.events = new EventsList(field("events"), field("no-events"), {
      open: (id) => known(id) && this.views.open(id),
    })
    this.alerts = new AlertsList(this.engines.own, {
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
    field("review").hidden = !this.engines.own
    listenToShortcuts(this.views)
    field("add").addEventListener("click", () => this.form.open())
    document.addEventListener("visibilitychange", () => this.#viewChanged())
    setInterval(() => this.#update(), UPDATE_MS)
    setInterval(() => this.signedIn && !document.hidden && this.list(), LIST_EVERY_MS)
  }

  async #signedIn(role) {
    this.signedIn = true
    this.#permitChanges(role === "control")
    field("empty-read").hidden = role === "control"
    this.alerts.mayAcknowledge = role !== "read"
    await Promise.all([this.list(), this.alerts.load()])
    this.views.begin()
    this.engines.begin()
  }

  #permitChanges(permitted) {
    this.views.canChange = permitted
    field("add").hidden = !permitted
    field("empty-control").hidden = !permitted
  }

  /** Load the cameras and their settings. */
  async list() {
    let views
    try {
      views = await this.engines.list()
    } catch (error) {
      this.problem = error.message
      if (error.status === 401) this.session.askForToken()
      return
    }
    const before = this.views.cameras
    const now = new Map(views.map((view) => [view.id, before.get(view.id) ?? new Camera(view)]))
    for (const view of views) now.get(view.id).take(view)
    this.listed = true
    this.views.show(now)
    this.#update()
    this.views.wall.update(now.keys())
    this.#choosePictures()
  }

  // -- what engines send -----------------------------------------------------------------------------------------
  #take(kind, message) {
    const { cameras } = this.views
    if (message.model) takeModel(message.model)
    if (kind === "stats") {
      for (const one of message.cameras) cameras.get(one.camera)?.addStats(one, message.at_us, message.load)
      if (message.cameras.some((one) => !cameras.has(one.camera))) this.#listSoon()
      this.alerts.listed(message.open_alerts)
      if (this.engines.own && message.engine) this.#permitChanges(false) // its fleet's controller makes them
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

  /** Request what is needed of the visible cameras only. */
  #viewChanged() {
    this.engines.watch(this.views.visible)
    this.#update()
    this.#choosePictures()
  }

  #choosePictures() {
    const { cameras, width, fps } = this.choice.choose()
    this.engines.show(cameras, width, fps)
  }

  // -- display ---------------------------------------------------------------------------------------------------
  #update() {
    if (document.hidden) return
    const { cameras, filter, opened } = this.views
    for (const [id, camera] of cameras) camera.follow(this.engines.at(id), this.engines.lost(id))
    this.views.update(this.listed)
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
    if (!this.listed) return this.problem ? ["bad", "Disconnected", this.problem] : ["wait", "Connecting…", ""]
    const cameras = [...this.views.cameras.values()].filter((camera) => camera.status.reason !== "disabled")
    const live = cameras.filter((camera) => camera.live)
    const { all, problem } = this.engines
    if (problem && live.length) return ["warn", `Pictures of ${plural(live.length, "camera")}`, problem]
    if (problem) return ["bad", "Disconnected", problem]
    const known = all.filter((engine) => engine.stats)
    const unready = known.find(({ stats }) => !stats.ready)
    if (unready) {
      return ["bad", "Not ready", `${unready.name || "The engine"} is not ready: ${unready.stats.ready_reason}`]
    }
    const failing = cameras.filter((camera) => camera.failing)
    if (failing.length) {
      return ["warn", "Errors", `The model fails: ${some(failing, drops)}. The engine's log has the reason.`]
    }
    const busy = cameras.filter((camera) => camera.overloaded)
    if (busy.length) {
      const remedy = "Lower max_fps, or choose a smaller detector_size."
      return ["warn", "Overloaded", `The model is too slow: ${some(busy, overload)}. ${remedy}`]
    }
    const dropping = cameras.filter((camera) => camera.dropping)
    if (dropping.length) {
      const why = "The model is not the cause: the frames arrive in bursts, or other programs use this machine."
      return ["warn", "Frames dropped", `${some(dropping, drops)}. ${why} A larger ring_slots may help.`]
    }
    const refused = all.find((engine) => engine.pictureError)
    if (refused) return ["warn", "No pictures", refused.pictureError]
    const down = cameras.filter((camera) => !camera.live)
    const begun = down.filter(({ status }) => status.reason || status.state !== "connecting")
    const unplaced = begun.filter(({ status }) => status.state === "unplaced").length
    const of = `of ${plural(cameras.length, "camera")}`
    if (begun.length > unplaced) return ["bad", `${begun.length - unplaced} ${of} down`, ""]
    if (unplaced) return ["bad", `${unplaced} ${of} without an engine`, ""]
    if (down.length) return ["wait", `${down.length} ${of} connecting`, ""]
    if (known.some(({ stats }) => !stats.model.trained && stats.model.profile !== "free"))
      return ["warn", "Untrained model", "The model is not trained: its labels mean nothing."]
    if (!cameras.length) return ["good", "Ready", ""]
    const busiest = known.toSorted((a, b) => b.stats.load.ease_level - a.stats.load.ease_level)[0]
    return ["good", `${plural(cameras.length, "camera")} live`, busiest ? reducedDetail(busiest) : ""]
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
