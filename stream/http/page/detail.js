// One camera, enlarged: its picture, a timeline of its people's actions, and the reasons for one person's action.

import { actionColour, relevanceColour, trackColour } from "./colours.js"
import { button, child, field } from "./elements.js"
import { keep, quiet } from "./kept_rows.js"
import { Screen } from "./screen.js"
import { Figures, level } from "./wall.js"
import {
  actionWords,
  clockTime,
  duration,
  heldWords,
  isExperimental,
  percent,
  stateWords,
  words,
  zoneWords,
} from "./words.js"
import { ZoneEditor } from "./zone_editor.js"
import { hasZones } from "./zone_overlay.js"

const MAX_LANES = 10
const WINDOWS = [
  [30e6, "30 s ago"],
  [60e6, "1 min ago"],
  [180e6, "3 min ago"],
] // the timeline shows the shortest window that contains everything
const MAX_PARTS = 6
const MAX_ACTIONS = 5
const MIN_SPAN = 0.004 // of the timeline's width
const EXPERIMENTAL = "The model is often wrong about this action in real video."

export class Detail {
  /**
   * `look()` returns {filter, detector, zones}. Calls `on.close()`, `on.change(id)`, `on.toggle(name)` for `detector`
   * and `zones`, `on.zonesSaved()`, `on.alerts(id)` for a camera's open alerts, and `on.drawn(…)` as a `Screen` does.
   */
  constructor(look, on) {
    this.places = {
      detail: field("detail"),
      peoplePanel: field("people-panel"),
      people: field("people"),
      whyPanel: field("why-panel"),
      why: field("why"),
    }
    this.look = look
    this.on = on
    this.camera = null
    this.chosen = this.automatic = null
    this.screen = null
    /** The editor of the camera's zones while it is open. */
    this.editor = null
    for (const list of [this.places.detail, this.places.people]) {
      list.addEventListener("click", (event) => {
        const chosen = event.target.closest("[data-track]")
        if (chosen) this.#choose(Number(chosen.dataset.track))
      })
    }
  }

  open(camera, canChange) {
    this.close()
    this.camera = camera
    const { detail } = this.places
    const head = child(detail, "div", "detail-head")
    const back = button(head, "", "← All cameras")
    back.addEventListener("click", () => this.on.close())
    this.title = child(head, "h1", "", camera.id)
    this.state = child(head, "span", "state")
    child(this.state, "span", "dot")
    this.stateText = child(this.state, "span")
    this.figures = new Figures(head)
    this.source = child(head, "p", "quiet source")
    this.engine = Object.assign(child(head, "a", "engine"), { target: "_blank", title: "The page of its engine" })
    this.detector = button(head, "toggle", "Detector")
    this.detector.title = "Show what the detector looks at (D)"
    this.detector.setAttribute("aria-keyshortcuts", "d")
    this.detector.addEventListener("click", () => this.on.toggle("detector"))
    this.zones = button(head, "toggle", "Zones")
    this.zones.title = "Show the zones and lines (Z)"
    this.zones.setAttribute("aria-keyshortcuts", "z")
    this.zones.addEventListener("click", () => this.on.toggle("zones"))
    this.draw = button(head, "draw")
    this.canChange = canChange
    this.draw.addEventListener("click", () => this.#edit())
    if (canChange) {
      const change = button(head, "change", "Edit")
      change.title = "Change the camera's settings"
      change.addEventListener("click", () => this.on.change(camera.id))
    }
    this.screen = new Screen(camera, () => this.#look(), this.on.drawn)
    detail.append(this.screen.element)
    const timeline = (this.timeline = child(detail, "section", "timeline"))
    timeline.setAttribute("aria-label", "Actions in the last minutes")
    child(child(timeline, "div", "timeline-head"), "h2", "", "Actions")
    this.lanes = child(timeline, "div", "lanes")
    const axis = child(timeline, "div", "axis")
    this.oldest = child(axis, "span")
    child(axis, "span", "", "now")
    this.#show(true)
    back.focus({ preventScroll: true })
    this.update()
  }

  close() {
    this.stopEditing()
    this.screen?.close()
    this.screen = this.camera = this.chosen = this.automatic = null
    this.places.detail.replaceChildren()
    this.#show(false)
  }

  #look() {
    const alarmed = new Set(this.on.alerts(this.camera.id).flatMap(({ zone, line }) => [zone, line]))
    const look = { ...this.look(), chosen: this.#track(), states: 3, alarmed }
    return this.editor ? { ...look, zones: false, plain: true } : look
  }

  #edit() {
    if (this.editor) return
    const { detail } = this.places
    this.editor = new ZoneEditor(this.camera, this.screen, detail, {
      saved: () => {
        this.stopEditing()
        this.on.zonesSaved()
      },
      close: () => this.stopEditing(),
    })
    this.timeline.before(this.editor.form)
    this.#showEditing()
    this.editor.form.querySelector("[data-shape], [data-begin]").focus({ preventScroll: true })
    this.screen.element.scrollIntoView({ block: "start" })
  }

  /** Close the editor of zones, without saving. */
  stopEditing() {
    if (!this.editor) return
    this.editor.close()
    this.editor = null
    this.#showEditing()
    this.draw.focus({ preventScroll: true })
  }

  #showEditing() {
    this.timeline.hidden = Boolean(this.editor)
    this.screen.redraw()
    this.update()
  }

  #show(shown) {
    for (const name of ["detail", "peoplePanel", "whyPanel"]) this.places[name].hidden = !shown
  }

  /** The selected track while it exists, otherwise the one that had the highest score when there was no selection. */
  #track() {
    const people = this.camera.people
    const exists = (track) => people.some((person) => person.track === track)
    if (exists(this.chosen)) return this.chosen
    if (!exists(this.automatic)) {
      const byScore = [...people].sort((a, b) => (b.action?.score ?? -1) - (a.action?.score ?? -1))
      this.automatic = byScore[0]?.track ?? null
    }
    return this.automatic
  }

  #choose(track) {
    this.chosen = track
    this.screen.redraw()
    this.update()
  }

  /** Update the texts. Called a few times a second. */
  update() {
    const { camera } = this
    if (!camera) return
    this.screen.update()
    this.detector.setAttribute("aria-pressed", String(this.look().detector))
    this.zones.setAttribute("aria-pressed", String(this.look().zones))
    this.zones.hidden = !hasZones(camera.settings) || Boolean(this.editor)
    this.draw.hidden = !this.canChange || Boolean(this.editor)
    this.draw.textContent = hasZones(camera.settings) ? "Edit zones" : "Draw zones"
    this.editor?.update()
    this.figures.update(camera)
    this.state.dataset.level = level(camera)
    this.stateText.textContent = stateWords(camera.status)
    this.source.textContent = [
      camera.settings.source,
      camera.status.size?.join(" × "),
      camera.status.clock && `capture time: ${camera.status.clock}`,
      camera.status.epoch && `epoch ${camera.status.epoch}`,
      camera.live && camera.listed.detection,
    ]
      .filter(Boolean)
      .join("  ·  ")
    const { name, origin } = camera.engine ?? {}
    this.engine.hidden = !origin
    if (origin) Object.assign(this.engine, { href: `${origin}/#${camera.id}`, textContent: name })
    if (camera.status.size) this.screen.element.style.aspectRatio = camera.status.size.join(" / ")
    this.#updateLanes()
    this.#updatePeople()
    this.#updateWhy()
  }

  #updateLanes() {
    const { camera } = this
    const nowUs = camera.latest?.capture_us ?? 0
    const tracks = camera.recentTracks(nowUs).slice(-MAX_LANES)
    const oldestUs = nowUs - Math.min(nowUs, ...tracks.map((track) => track.spans[0]?.beginUs ?? nowUs))
    const [windowUs, text] = WINDOWS.find(([us]) => us >= oldestUs) ?? WINDOWS.at(-1)
    this.oldest.textContent = text
    keep(
      this.lanes,
      tracks,
      (track) => track.id,
      makeLane,
      (lane, track) => {
        lane.element.setAttribute("aria-pressed", String(track.id === this.#track()))
        lane.element.setAttribute(
          "aria-label",
          `Person ${track.id}: ${track.spans
            .slice(-4)
            .map((span) => actionWords(span.label))
            .join(", then ")}`,
        )
        const spans = track.spans.filter((span) => span.endUs > nowUs - windowUs)
        keep(
          lane.time,
          spans,
          (span) => span.beginUs,
          () => ({ element: document.createElement("span") }),
          ({ element }, span) => {
            const begin = Math.max(0, 1 - (nowUs - span.beginUs) / windowUs)
            const width = Math.max(MIN_SPAN, 1 - (nowUs - span.endUs) / windowUs - begin)
            element.className = isExperimental(span.label) ? "span experimental" : "span"
            element.style.left = `${begin * 100}%`
            element.style.width = `${width * 100}%`
            element.style.background = actionColour(span.label)
            element.textContent = width > 0.05 ? actionWords(span.label) : ""
            const lasted = duration((span.endUs - span.beginUs) / 1000)
            element.title = `${actionWords(span.label)}, ${clockTime(span.beginUs)}, ${lasted}`
          },
        )
      },
    )
  }

  #updatePeople() {
    const { people } = this.camera
    if (!people.length) return quiet(this.places.people, "No people detected.")
    keep(
      this.places.people,
      people,
      (person) => person.track,
      makePerson,
      (row, person) => {
        row.element.setAttribute("aria-pressed", String(person.track === this.#track()))
        if (!person.action) {
          row.doing.textContent = "no action yet"
          row.since.textContent = ""
          markZones(row.doing, person)
          return
        }
        showAction(row.doing, person.action.label)
        const ms = (this.camera.latest.capture_us - person.action.since_us) / 1000
        row.since.textContent = `${percent(person.action.score)} · ${ms < 500 ? "just now" : duration(ms)}`
        const held = heldWords(person)
        if (held) child(row.doing, "span", "mark", ` ${held}`)
        markZones(row.doing, person)
      },
    )
  }

  #updateWhy() {
    const { why } = this.places
    const person = this.camera.people.find((one) => one.track === this.#track())
    if (!person?.action)
      return quiet(why, person ? "The action is known after a few frames." : "Shown for the selected person.")
    const verdict = document.createElement("div")
    verdict.className = "verdict"
    showAction(child(verdict, "strong"), person.action.label)
    const about = [`#${person.track}`, `score ${percent(person.action.score)}`, zoneWords(person)].filter(Boolean)
    child(verdict, "span", "quiet", about.join(" · "))
    const parts = bars("Body parts by relevance, with their states")
    const shown = [...person.parts].sort((a, b) => b.relevance - a.relevance).slice(0, MAX_PARTS)
    shown.forEach((part, index) => {
      const states = part.states.filter(([state]) => state !== "none").slice(0, 3)
      const notes = states.map(([state, score]) => `${words(state)} ${percent(score)}`)
      if (part.holds) notes.push(`holds ${words(part.holds)}`)
      const row = bar(parts, words(part.part), part.relevance, relevanceColour(part.relevance))
      if (index === 0) row.dataset.first = ""
      if (notes.length) child(row, "span", "states", notes.join(", "))
    })
    if (!shown.length) child(parts, "p", "quiet", "No body parts detected.")
    const choices = bars("Other likely actions")
    for (const [label, score] of person.action.top
      .filter(([label]) => label !== person.action.label)
      .slice(0, MAX_ACTIONS - 1)) {
      showAction(bar(choices, "", score, actionColour(label)).firstChild, label)
    }
    why.replaceChildren(verdict, parts, choices)
    if (isExperimental(person.action.label)) {
      verdict.after(Object.assign(document.createElement("p"), { className: "quiet", textContent: EXPERIMENTAL }))
    }
  }
}

function makeLane(track) {
  const element = document.createElement("button")
  element.type = "button"
  element.className = "lane"
  element.dataset.track = track.id
  const name = child(element, "span", "track")
  child(name, "span", "swatch").style.background = trackColour(track.id)
  name.append(`#${track.id}`)
  return { element, time: child(element, "span", "time") }
}

function makePerson(person) {
  const element = document.createElement("button")
  element.type = "button"
  element.className = "person"
  element.dataset.track = person.track
  child(element, "span", "swatch").style.background = trackColour(person.track)
  child(element, "span", "track", `#${person.track}`)
  return { element, doing: child(element, "span", "doing"), since: child(element, "span", "since") }
}

function showAction(element, label) {
  element.textContent = words(label)
  if (isExperimental(label)) child(element, "span", "mark", " experimental").title = EXPERIMENTAL
}

function markZones(element, person) {
  const where = zoneWords(person)
  if (where) child(element, "span", "mark", ` ${where}`)
}

function bars(title) {
  const element = document.createElement("div")
  element.className = "bars"
  child(element, "h3", "", title)
  return element
}

function bar(parent, label, share, colour) {
  const row = child(parent, "div", "bar-row")
  child(row, "span", "label", label)
  const fill = child(child(row, "span", "track-line"), "div", "fill")
  fill.style.width = `${share * 100}%`
  fill.style.background = colour
  child(row, "span", "value", percent(share))
  return row
}
