// The views of cameras on a live page: all side by side, or one enlarged, which the page's address names.

import { ActionFilter } from "./action_filter.js"
import { Detail } from "./detail.js"
import { field } from "./elements.js"
import { Wall } from "./wall.js"
import { words } from "./words.js"

export class CameraViews {
  /**
   * Calls `on.opened(id)` after a camera was enlarged (null: none is), `on.viewChanged()` after others have come into
   * view, `on.changed()` after a camera's status or the filter has changed, `on.alerts(id)` for a camera's open alerts,
   * and the rest as `Detail` does.
   */
  constructor(on) {
    this.on = on
    this.cameras = new Map()
    this.opened = null
    /** Whether the user may change cameras. */
    this.canChange = false
    this.detector = false // whether to show what the detector looks at
    this.zones = true // whether to show the zones of the enlarged camera
    this.filter = new ActionFilter(() => {
      this.#redraw()
      on.changed()
    })
    const look = () => ({ filter: this.filter.text, detector: this.detector })
    const open = (id) => this.open(id)
    this.wall = new Wall(field("wall"), () => ({ ...look(), chosen: null, states: 1 }), { ...on, open })
    const close = () => this.open(null)
    const toggle = (name) => this.toggle(name)
    this.detail = new Detail(() => ({ ...look(), zones: this.zones }), { ...on, close, toggle })
    document.querySelector(".brand").addEventListener("click", (event) => {
      event.preventDefault()
      this.open(null)
    })
    addEventListener("popstate", () => this.openFromAddress())
  }

  /** Show these cameras, by id. */
  show(cameras) {
    this.cameras = cameras
    this.wall.arrange(cameras)
    if (!this.opened || cameras.has(this.opened)) return
    this.detail.stopEditing()
    this.open(null)
  }

  /** Take a new message about a camera. */
  take(kind, camera, message) {
    if (kind === "results") {
      camera.addResult(message)
      for (const { action } of message.people) if (action) this.filter.suggest(words(action.label))
      for (const screen of this.screens(camera.id)) screen.match()
    } else if (kind === "status") {
      camera.addStatus(message)
      this.on.changed()
    }
  }

  /** Returns the screen of a camera in a list, which is empty if the camera has none in this view. */
  screens(id) {
    const screen = this.opened ? this.opened === id && this.detail.screen : this.wall.tiles.get(id)?.screen
    return screen ? [screen] : []
  }

  /** Returns the cameras of which pictures are to be shown. */
  get visible() {
    return document.hidden ? [] : this.opened ? [this.opened] : [...this.wall.inView]
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
    this.on.opened(id)
  }

  openNeighbour(step) {
    const ids = [...this.cameras.keys()]
    this.open(ids[(ids.indexOf(this.opened) + step + ids.length) % ids.length])
  }

  openFromAddress() {
    const hash = location.hash.slice(1)
    const id = this.cameras.has(hash) ? hash : null
    const stays = id !== this.opened && this.detail.editor // until the user agrees to leave
    if (stays) history.pushState(null, "", `#${this.opened}`)
    this.open(id, Boolean(stays))
  }

  /** After signing in, show what the address names. */
  begin() {
    this.openFromAddress()
    if (!this.opened) this.focusFirst({ focusVisible: false, preventScroll: true })
  }

  focusFirst(options) {
    document.querySelector(".tile")?.focus(options)
  }

  /** Show or hide what the `detector` looks at, or the `zones`. */
  toggle(name) {
    this[name] = !this[name]
    this.#redraw()
    this.detail.update()
  }

  /** Update the texts. Called a few times a second. `known`: whether the list of cameras is known. */
  update(known) {
    this.wall.update()
    this.detail.update()
    field("empty").hidden = this.cameras.size > 0 || !known || Boolean(this.opened)
  }

  #redraw() {
    this.wall.redraw()
    this.detail.screen?.redraw()
  }
}
