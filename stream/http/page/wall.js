// All cameras side by side. Those out of view have no picture and are not updated.

import { badgeOf } from "./alerts_list.js"
import { child } from "./elements.js"
import { Screen } from "./screen.js"
import { matches } from "./overlay.js"
import { actionWords, cameraProblem, dropWords, duration, percent, plural, shortReason, stateWords } from "./words.js"

export class Wall {
  /**
   * Calls `on.open(id)`, `on.viewChanged()`, `on.drawn(…)` as a `Screen` does, and `on.alerts(id)` for a camera's open
   * alerts; `look()` as for a `Screen`.
   */
  constructor(element, look, on) {
    this.element = element
    this.look = look
    this.on = on
    this.tiles = new Map()
    this.inView = new Set()
    this.views = new IntersectionObserver((entries) => this.#viewsChanged(entries), { rootMargin: "60px" })
    element.addEventListener("keydown", (event) => this.#key(event))
  }

  /** Show a tile for each of these cameras, in this order. */
  arrange(cameras) {
    for (const [id, tile] of this.tiles) {
      if (cameras.get(id) === tile.camera) continue
      this.views.unobserve(tile.element)
      this.inView.delete(id)
      tile.close()
      this.tiles.delete(id)
    }
    for (const camera of cameras.values()) {
      if (this.tiles.has(camera.id)) continue
      const tile = new Tile(camera, this.look, this.on)
      tile.screen.rest()
      this.tiles.set(camera.id, tile)
      this.element.append(tile.element)
      this.views.observe(tile.element)
    }
  }

  /** Update the texts of these cameras' tiles. */
  update(ids = this.inView) {
    const { filter } = this.look()
    for (const id of ids) this.tiles.get(id)?.update(filter, this.on.alerts(id))
  }

  redraw() {
    for (const tile of this.tiles.values()) tile.screen.redraw()
  }

  focus(id) {
    this.tiles.get(id)?.element.focus()
  }

  #viewsChanged(entries) {
    for (const { target, isIntersecting } of entries) {
      const id = target.dataset.camera
      if (isIntersecting) this.inView.add(id)
      else this.inView.delete(id)
    }
    for (const [id, { screen }] of this.element.hidden ? [] : this.tiles) {
      if (this.inView.has(id)) screen.wake()
      else screen.rest()
    }
    this.on.viewChanged()
  }

  #key(event) {
    const tile = event.target.closest?.(".tile")
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") this.on.open(tile.dataset.camera)
    else if (event.key.startsWith("Arrow")) this.#neighbour(tile, event.key.slice(5))?.focus()
    else return
    event.preventDefault()
  }

  /** Returns the neighbouring tile, by position on the screen. */
  #neighbour(tile, direction) {
    const tiles = [...this.element.children]
    const at = tiles.indexOf(tile)
    if (direction === "Left" || direction === "Right") return tiles[at + (direction === "Left" ? -1 : 1)]
    const [down, here] = [direction === "Down", tile.getBoundingClientRect()]
    const inColumn = tiles.filter((other) => {
      const box = other.getBoundingClientRect()
      return Math.abs(box.left - here.left) < 2 && (down ? box.top > here.top + 2 : box.top < here.top - 2)
    })
    return down ? inColumn[0] : inColumn.at(-1)
  }
}

class Tile {
  constructor(camera, look, on) {
    this.camera = camera
    this.element = document.createElement("article")
    this.element.className = "tile"
    this.element.tabIndex = 0
    this.element.setAttribute("role", "button")
    this.element.dataset.camera = camera.id
    this.element.addEventListener("click", () => on.open(camera.id))
    this.screen = new Screen(camera, look, on.drawn)
    this.element.append(this.screen.element)
    this.badge = child(this.screen.element, "span", "badge")
    const caption = child(this.element, "div", "caption")
    this.state = child(caption, "span", "state")
    child(this.state, "span", "dot")
    child(caption, "span", "name", camera.id)
    this.doing = child(caption, "span", "doing")
    this.figures = new Figures(caption)
    this.update("", [])
  }

  update(filter, alerts) {
    const { camera } = this
    const [mark, severity, quiet] = badgeOf(alerts)
    const open = mark && plural(alerts.length, "open alert")
    Object.assign(this.badge, { hidden: !mark, textContent: mark, title: open })
    Object.assign(this.badge.dataset, { severity, quiet })
    this.screen.update()
    this.figures.update(camera)
    this.state.dataset.level = level(camera)
    const people = camera.people.filter((person) => matches(person, filter))
    const doing = [
      ...new Set(people.map((person) => person.action && actionWords(person.action.label)).filter(Boolean)),
    ].join(", ")
    this.doing.textContent = doing || shortReason(camera.status)
    this.element.dataset.match = filter && !people.length ? "no" : "yes"
    const about = camera.live
      ? camera.people.length
        ? plural(camera.people.length, "person", "people")
        : "no people"
      : cameraProblem(camera.status)?.[1].replace(/\.$/, "")
    this.element.setAttribute(
      "aria-label",
      [`Camera ${camera.id}: ${stateWords(camera.status)}`, open, about, doing].filter(Boolean).join(", "),
    )
  }

  close() {
    this.screen.close()
    this.element.remove()
  }
}

/** A line with a camera's rate, age and drops. */
export class Figures {
  constructor(parent) {
    this.element = child(parent, "span", "figures")
    this.rate = child(this.element, "span")
    this.age = child(this.element, "span")
    this.drops = child(this.element, "span")
  }

  update(camera) {
    const { share, reason } = camera.drops
    const known = camera.live && camera.samples.length > 0
    this.rate.textContent = known && camera.fps !== null ? `${camera.fps.toFixed(1)} fps` : ""
    this.rate.title = "Results per second"
    this.age.textContent = known && camera.ageMs !== null ? duration(camera.ageMs) : ""
    this.age.title = "Age of a frame when its result is published"
    this.age.classList.toggle("over", camera.tooOld)
    this.drops.textContent = camera.judged && share >= 0.005 ? `${percent(share)} dropped` : ""
    this.drops.title = reason ? `Main reason: ${dropWords(reason)}` : ""
    this.drops.classList.toggle("over", camera.dropping || camera.overloaded)
  }
}

export const level = (camera) =>
  !camera.live
    ? camera.status.reason === "disabled"
      ? "off"
      : camera.status.state === "connecting" && !camera.status.reason
        ? "wait"
        : "bad"
    : camera.dropping || camera.overloaded
      ? "warn"
      : "good"
