// The list of alerts and events, the latest first. Only a window of it is in the page; one is chosen, or several are.

import { child, setText } from "../elements.js"
import { keep } from "../kept_rows.js"
import { clockTime, percent, words } from "../words.js"
import { IncidentPages, PATH, order } from "./incident_pages.js"
import { timeWords } from "./timeline.js"

const NEAR_END = 10 // rows; nearer to an end, the next page is loaded
const NEAR_PX = 600 // the same when scrolling
const MOST_SELECTED = 500
const TRIES = 3 // of a picture; the engine refuses too many at once
const TRY_AGAIN_MS = 2000
const SEVERITIES = { critical: "▲", warning: "◆", info: "●" }

const TOO_MANY = `At most ${MOST_SELECTED} can be selected at once.`

/** Returns an incident's action or rule in words. */
export const titleOf = (incident) => words(incident.rule ?? incident.action ?? "")

/** Returns a verdict as a sign and a word, for example ["✓", "right"]; null if there is none. */
export function verdictWords({ verdict, truth }) {
  if (verdict === "right") return ["✓", "right"]
  if (verdict === "wrong") return ["✗", "wrong"]
  if (verdict === "really") return ["→", words(truth)]
  return verdict === "skip" ? ["–", "skipped"] : null
}

export class IncidentList {
  /** Calls `on.chosen(incident)` (null: none), `on.changed()` and `on.failed(error)`. */
  constructor(element, on) {
    this.element = element
    this.on = on
    this.pages = new IncidentPages(new URLSearchParams())
    /** The chosen incident, which need not be in the window. */
    this.current = null
    this.anchor = null // where the selection began
    /** What is selected, by id, in the window or not. It includes the current one. */
    this.selected = new Map()
    this.newest = null // the id of the first of the list
    this.total = null // number of incidents, if it is known
    this.loading = null
    this.moves = 0 // counts selections
    element.addEventListener("click", (event) => this.#click(event))
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true })
    addEventListener("scroll", () => this.#scrolled(), { passive: true }) // phones scroll the page
  }

  /** What is in the window. */
  get items() {
    return this.pages.items
  }

  /** Load the first page of a query, and choose the incident `wanted`, or its first one. */
  async load(query, wanted) {
    const pages = new IncidentPages(query)
    const loading = (this.loading = pages.loadAfter())
    try {
      await loading
      if (this.loading !== loading) return // another query came after
      this.pages = pages
      this.newest = this.items[0]?.id ?? null
      this.element.scrollTop = 0
      this.#choose(this.items.find((one) => one.id === wanted) ?? this.items[0] ?? null)
    } catch (error) {
      this.on.failed(error)
    } finally {
      if (this.loading === loading) this.loading = null
    }
  }

  /** Take the number of incidents that match, or null. */
  count(total) {
    this.total = total
    this.#show()
  }

  /** Go to another incident. `extend`: select all from where the selection began. */
  async move(by, extend) {
    const move = ++this.moves
    const { current } = this
    if (by < -1e5) await this.loading?.catch(() => null) // or the jump would only wait for it
    if (by < -1e5 && this.pages.hasBefore) await this.#load(() => this.pages.jump(0))
    else if (current && this.#index(current) < 0)
      await this.#load(() => this.pages.jump(this.pages.numberOf(current)))
    const wanted = () => this.#index(current) + by
    if (wanted() < 0 && this.pages.hasBefore) await this.#load(() => this.pages.loadBefore())
    if (wanted() >= this.items.length && this.pages.hasAfter) await this.#load(() => this.pages.loadAfter())
    if (!this.items.length || move !== this.moves) return // another selection came after
    const index = Math.min(this.items.length - 1, Math.max(0, wanted()))
    await this.#choose(this.items[index], extend)
    if (index > this.items.length - NEAR_END && this.pages.hasAfter) this.#load(() => this.pages.loadAfter())
    else if (index < NEAR_END && this.pages.hasBefore) this.#load(() => this.pages.loadBefore())
  }

  /** Go to the next incident after a verdict, if only one is selected. */
  advance() {
    if (this.selected.size <= 1) this.move(1, false)
  }

  /** Select all that are in the window. */
  selectAll() {
    this.#select(byId(this.items))
  }

  /** Select only the current incident. */
  selectOne() {
    this.#choose(this.current)
  }

  /** Returns the selected incidents. */
  targets() {
    return [...this.selected.values()].sort(order)
  }

  /** Take incidents that have changed. */
  replace(incidents) {
    const changed = byId(incidents)
    this.pages.replace(changed)
    for (const id of this.selected.keys()) if (changed.has(id)) this.selected.set(id, changed.get(id))
    const current = changed.get(this.current?.id)
    if (current) this.current = current
    this.#show()
    if (current) this.on.chosen(current)
  }

  #index(one) {
    return one ? this.items.findIndex((other) => other.id === one.id) : -1
  }

  /** Change the window. Waits for a change that is being made, and makes none then. */
  async #load(change) {
    if (this.loading) return this.loading.catch(() => null)
    const { pages } = this
    this.#measure()
    const loading = (this.loading = change())
    try {
      await loading
      if (this.loading !== loading) return // another query came after
      if (this.pages === pages) this.#show()
      requestAnimationFrame(() => this.#scrolled()) // the user may have scrolled on meanwhile
    } catch (error) {
      this.on.failed(error)
    } finally {
      if (this.loading === loading) this.loading = null
    }
  }

  /** Note the height of each page in the window, which is left free once the page is dropped. */
  #measure() {
    let at = 0
    for (const page of this.pages.held) {
      const rows = [this.element.children[at], this.element.children[at + page.items.length - 1]]
      if (page.items.length && rows[0] && rows[1])
        page.height = rows[1].getBoundingClientRect().bottom - rows[0].getBoundingClientRect().top
      at += page.items.length
    }
  }

  #scrolled() {
    const { firstElementChild: first, lastElementChild: last } = this.element
    if (this.loading || !first) return
    const { pages } = this
    const list = this.element.getBoundingClientRect()
    const [top, bottom] = [Math.max(0, list.top), Math.min(innerHeight, list.bottom)]
    const [begin, end] = [first.getBoundingClientRect().top, last.getBoundingClientRect().bottom]
    if ((begin > bottom && pages.hasBefore) || (end < top && pages.end < pages.pages.length))
      this.#load(() => pages.jump(this.#pageAt(top - begin)))
    else if (end < bottom + NEAR_PX && pages.hasAfter) this.#load(() => pages.loadAfter())
    else if (begin > top - NEAR_PX && pages.hasBefore) this.#load(() => pages.loadBefore())
  }

  /** Returns the number of the page that has its place this far below the first one in the window, px. */
  #pageAt(offset) {
    this.#measure()
    let at = offset + heightOf(this.pages.pages.slice(0, this.pages.first))
    const number = this.pages.pages.findIndex((page) => (at -= page.height) < 0)
    return number < 0 ? this.pages.pages.length - 1 : number
  }

  #click(event) {
    const row = event.target.closest("li")
    const one = row && this.items.find((other) => other.id === row.dataset.incident)
    if (!one) return
    if (event.ctrlKey || event.metaKey) {
      const selected = new Map(this.selected)
      if (!selected.delete(one.id)) this.#choose(one, false, selected.set(one.id, one))
      else if (selected.has(this.current?.id)) this.#select(selected)
      else if (selected.size) this.#choose(nearest(one, selected), false, selected)
    } else {
      this.#choose(one, event.shiftKey)
    }
  }

  /** Select these, among which is the current one. */
  #select(selected) {
    this.moves++
    this.selected = selected
    this.#show()
  }

  /** Choose one of the window. `extend`: select all from the anchor to it; else only it, or `selected`. */
  async #choose(one, extend = false, selected = byId(one ? [one] : [])) {
    const move = ++this.moves
    if (!extend || !this.anchor) this.anchor = one
    else selected = await this.#between(...[this.anchor, one].sort(order)).catch((error) => this.on.failed(error))
    if (!selected || move !== this.moves) return
    const before = this.current?.id
    this.current = one
    this.selected = selected
    this.#show()
    if (one === null || one.id !== before) this.on.chosen(one)
    this.element.children[this.#index(one)]?.scrollIntoView({ block: "nearest" })
  }

  /** Returns what there is from one incident to another, by id. */
  async #between(from, to) {
    const { pages } = this
    const whole = pages.pages.slice(pages.numberOf(from) + 1, pages.numberOf(to))
    if (whole.reduce((sum, page) => sum + page.count, 0) > MOST_SELECTED) throw new Error(TOO_MANY)
    const found = [...this.selected.values(), ...this.items].filter(
      (one) => order(from, one) <= 0 && order(one, to) <= 0,
    )
    const selected = byId(found)
    for (const one of await pages.between(from, to, found)) selected.set(one.id, one)
    if (selected.size > MOST_SELECTED) throw new Error(TOO_MANY)
    return selected
  }

  #show() {
    const { pages, element, items } = this
    const { before } = pages
    const places = new Map(items.map((one, index) => [one.id, before + index + 1]))
    keep(
      element,
      items,
      (one) => one.id,
      (one) => this.#make(one),
      (row, one) => this.#fill(row, one, places.get(one.id)),
    )
    element.style.setProperty("--above", `${heightOf(pages.pages.slice(0, pages.first))}px`)
    element.style.setProperty("--below", `${heightOf(pages.pages.slice(pages.end))}px`)
    if (this.#index(this.current) >= 0) element.setAttribute("aria-activedescendant", `incident-${this.current.id}`)
    else element.removeAttribute("aria-activedescendant")
    this.on.changed()
  }

  #make({ id, picture }) {
    const element = document.createElement("li")
    element.id = `incident-${id}`
    element.dataset.incident = id
    element.setAttribute("role", "option")
    const thumb = child(element, "span", "thumb")
    if (picture) {
      const image = child(thumb, "img")
      Object.assign(image, { loading: "lazy", decoding: "async", alt: "" })
      loadPicture(image, `${PATH}/${encodeURIComponent(id)}/picture`)
    }
    const text = child(element, "span", "text")
    const head = child(text, "span", "head")
    const what = child(head, "strong")
    const verdict = child(head, "span", "said-chip")
    const where = child(text, "span", "where")
    const reason = child(text, "span", "reason")
    return { element, what, verdict, where, reason }
  }

  #fill(row, one, place) {
    const { element } = row
    element.setAttribute("aria-selected", this.selected.has(one.id))
    element.toggleAttribute("data-current", one.id === this.current?.id)
    element.setAttribute("aria-posinset", place)
    element.setAttribute("aria-setsize", this.total === null ? -1 : Math.max(this.total, place))
    const sign = one.kind === "alert" ? `${SEVERITIES[one.severity] ?? "●"} ` : ""
    setText(row.what, `${sign}${titleOf(one)}${one.kind === "event" && one.score ? ` ${percent(one.score)}` : ""}`)
    const today = new Date(one.began_us / 1000).toDateString() === new Date().toDateString()
    setText(row.where, `${one.camera} · ${today ? clockTime(one.began_us) : timeWords(one.began_us)}`)
    setText(row.reason, one.kind === "alert" ? one.reason : one.clip ? "" : "no clip")
    const said = verdictWords(one)
    setText(row.verdict, said ? said.join(" ") : "")
    row.verdict.dataset.verdict = one.verdict ?? ""
    row.verdict.title = said ? `by ${one.by}, ${timeWords(one.at_us)}` : ""
    element.dataset.severity = one.severity ?? ""
  }
}

const byId = (incidents) => new Map(incidents.map((one) => [one.id, one]))

/** Returns which of `selected` comes next after `one` in the list, or the last one before it. */
function nearest(one, selected) {
  const sorted = [...selected.values()].sort(order)
  return sorted.find((other) => order(one, other) < 0) ?? sorted.at(-1)
}

const heightOf = (pages) => pages.reduce((sum, page) => sum + page.height, 0)

/** Load a picture, and try again after an error. */
function loadPicture(image, path) {
  let tried = 1
  image.addEventListener("error", () => {
    image.hidden = true
    if (tried++ < TRIES) setTimeout(() => image.isConnected && (image.src = `${path}?overlay=false`), TRY_AGAIN_MS)
  })
  image.addEventListener("load", () => (image.hidden = false))
  image.src = path
}
