// One camera, large: its picture, what each of its people did lately, and why the chosen one's action is what it is.

import { actionColour, relevanceColour, trackColour } from "./colours.js"
import { Screen, child } from "./screen.js"
import { Figures, level } from "./wall.js"
import { clockTime, duration, percent, stateWord, words } from "./words.js"

const LANES = 10
const WINDOWS = [
  [30e6, "30 s ago"],
  [60e6, "1 min ago"],
  [180e6, "3 min ago"],
] // what a timeline shows, the smallest that holds all
const PARTS = 6
const CHOICES = 5
const LEAST_SPAN = 0.004 // of the timeline's width

export class Detail {
  /**
   * `places`: the elements {detail, peoplePanel, people, whyPanel, why}; `filter()` gives what is filtered by;
   * `on.close()`, `on.change(id)`, `on.drawn(…)` as for a `Screen`.
   */
  constructor(places, filter, on) {
    this.places = places
    this.filter = filter
    this.on = on
    this.camera = null
    this.chosen = this.usual = null
    this.screen = null
    for (const list of [places.detail, places.people]) {
      list.addEventListener("click", (event) => {
        const button = event.target.closest("[data-track]")
        if (button) this.#choose(Number(button.dataset.track))
      })
    }
  }

  open(camera, mayChange) {
    this.close()
    this.camera = camera
    const { detail } = this.places
    const head = child(detail, "div", "detail-head")
    const back = child(head, "button", "", "← All cameras")
    back.type = "button"
    back.addEventListener("click", () => this.on.close())
    this.title = child(head, "h1", "", camera.id)
    this.state = child(head, "span", "state")
    child(this.state, "span", "dot")
    this.stateText = child(this.state, "span")
    this.figures = new Figures(head)
    this.source = child(head, "p", "quiet source")
    if (mayChange) {
      const change = child(head, "button", "change", "Change")
      change.type = "button"
      change.addEventListener("click", () => this.on.change(camera.id))
    }
    this.screen = new Screen(camera, () => ({ filter: this.filter(), chosen: this.#track(), states: 3 }), this.on.drawn)
    detail.append(this.screen.element)
    const timeline = child(detail, "section", "timeline")
    timeline.setAttribute("aria-label", "What people did in the last minutes")
    child(child(timeline, "div", "timeline-head"), "h2", "", "What people did")
    this.lanes = child(timeline, "div", "lanes")
    const axis = child(timeline, "div", "axis")
    this.oldest = child(axis, "span")
    child(axis, "span", "", "now")
    this.#show(true)
    back.focus({ preventScroll: true })
    this.update()
  }

  close() {
    this.screen?.close()
    this.screen = this.camera = this.chosen = this.usual = null
    this.places.detail.replaceChildren()
    this.#show(false)
  }

  #show(shown) {
    for (const name of ["detail", "peoplePanel", "whyPanel"]) this.places[name].hidden = !shown
  }

  /** The person in question: the one chosen while in sight, else who was the surest of those when it had to be told. */
  #track() {
    const people = this.camera.people
    const inSight = (track) => people.some((person) => person.track === track)
    if (inSight(this.chosen)) return this.chosen
    if (!inSight(this.usual)) {
      const byScore = [...people].sort((a, b) => (b.action?.score ?? -1) - (a.action?.score ?? -1))
      this.usual = byScore[0]?.track ?? null
    }
    return this.usual
  }

  #choose(track) {
    this.chosen = track
    this.screen.redraw()
    this.update()
  }

  /** A few times a second: faster than that nobody reads. */
  update() {
    const { camera } = this
    if (!camera) return
    this.screen.update()
    this.figures.update(camera)
    this.state.dataset.level = level(camera)
    this.stateText.textContent = stateWord(camera.status.state)
    this.source.textContent = [
      camera.settings.source,
      camera.status.size?.join(" × "),
      camera.status.clock && `capture time: ${camera.status.clock}`,
      camera.status.epoch && `epoch ${camera.status.epoch}`,
    ]
      .filter(Boolean)
      .join("  ·  ")
    if (camera.status.size) this.screen.element.style.aspectRatio = camera.status.size.join(" / ")
    this.#updateLanes()
    this.#updatePeople()
    this.#updateWhy()
  }

  #updateLanes() {
    const { camera } = this
    const nowUs = camera.latest?.capture_us ?? 0
    const tracks = camera.recentTracks(nowUs).slice(-LANES)
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
            .map((span) => words(span.label))
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
            const width = Math.max(LEAST_SPAN, 1 - (nowUs - span.endUs) / windowUs - begin)
            element.className = "span"
            element.style.left = `${begin * 100}%`
            element.style.width = `${width * 100}%`
            element.style.background = actionColour(span.label)
            element.textContent = width > 0.05 ? words(span.label) : ""
            const lasted = duration((span.endUs - span.beginUs) / 1000)
            element.title = `${words(span.label)}, ${clockTime(span.beginUs)}, ${lasted}`
          },
        )
      },
    )
  }

  #updatePeople() {
    const { people } = this.camera
    if (!people.length) return quiet(this.places.people, "Nobody is in sight.")
    keep(
      this.places.people,
      people,
      (person) => person.track,
      makePerson,
      (row, person) => {
        row.element.setAttribute("aria-pressed", String(person.track === this.#track()))
        row.doing.textContent = person.action ? words(person.action.label) : "seen a moment ago"
        if (!person.action) return (row.since.textContent = "")
        const ms = (this.camera.latest.capture_us - person.action.since_us) / 1000
        row.since.textContent = `${percent(person.action.score)} · ${ms < 500 ? "just now" : duration(ms)}`
      },
    )
  }

  #updateWhy() {
    const { why } = this.places
    const person = this.camera.people.find((one) => one.track === this.#track())
    if (!person?.action)
      return quiet(why, person ? "The action follows after a few pictures." : "It is told of somebody in sight.")
    const verdict = document.createElement("div")
    verdict.className = "verdict"
    child(verdict, "strong", "", words(person.action.label))
    child(verdict, "span", "quiet", `#${person.track} · ${percent(person.action.score)} sure`)
    const parts = bars("Body parts that spoke for it, and what they do")
    const telling = [...person.parts].sort((a, b) => b.relevance - a.relevance).slice(0, PARTS)
    telling.forEach((part, index) => {
      const states = part.states.filter(([state]) => state !== "none").slice(0, 3)
      const row = bar(parts, words(part.part), part.relevance, relevanceColour(part.relevance))
      if (index === 0) row.dataset.first = ""
      if (states.length)
        child(row, "span", "states", states.map(([state, score]) => `${words(state)} ${percent(score)}`).join(", "))
    })
    if (!telling.length) child(parts, "p", "quiet", "No part of the body is in sight.")
    const choices = bars("What else it might be")
    for (const [label, score] of person.action.top
      .filter(([label]) => label !== person.action.label)
      .slice(0, CHOICES - 1)) {
      bar(choices, words(label), score, actionColour(label))
    }
    why.replaceChildren(verdict, parts, choices)
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

function quiet(parent, text) {
  if (parent.children.length === 1 && parent.firstChild.textContent === text) return
  parent.replaceChildren()
  rows.delete(parent)
  child(parent, "p", "quiet", text)
}

const rows = new WeakMap()

/** Have one child for each item, in order, made once for its key and then changed: so focus and pointer stay. */
function keep(parent, items, keyOf, make, change) {
  const known = rows.get(parent) ?? new Map()
  const now = new Map(items.map((item) => [keyOf(item), known.get(keyOf(item)) ?? make(item)]))
  rows.set(parent, now)
  for (const item of items) change(now.get(keyOf(item)), item)
  const elements = [...now.values()].map((row) => row.element)
  if (
    elements.length !== parent.childNodes.length ||
    elements.some((element, index) => parent.childNodes[index] !== element)
  ) {
    parent.replaceChildren(...elements)
  }
}
