// The list of alerts and events, the latest first. It is loaded in pages, and one of it is chosen or several are.

import { ask } from "../api.js"
import { keep } from "../kept_rows.js"
import { child } from "../screen.js"
import { clockTime, percent, words } from "../words.js"
import { timeWords } from "./timeline.js"

const PATH = "/api/v1/incidents"
const PAGE = 50
const NEAR_END = 10 // rows; nearer to the end, the next page is loaded
const SEVERITIES = { critical: "▲", warning: "◆", info: "●" }

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
    this.items = []
    this.current = -1
    this.anchor = -1
    /** The ids of what is selected, which includes the current one. */
    this.selected = new Set()
    this.state = "ready"
    this.message = ""
    this.more = null // `before` of the next page
    this.loading = null
    this.moves = 0 // counts selections
    this.query = new URLSearchParams()
    element.addEventListener("click", (event) => this.#click(event))
    element.addEventListener("scroll", () => this.#scrolled())
    addEventListener("scroll", () => this.#scrolled(), { passive: true }) // phones scroll the page
  }

  /** Load the first page of a query, and choose its first incident. */
  async load(query) {
    const loading = (this.loading = this.#page(query, null))
    try {
      const answer = await loading
      if (this.loading !== loading) return // another query came after
      this.query = query
      this.items = []
      this.#add(answer)
      this.#choose(this.items.length ? 0 : -1, false)
      this.element.scrollTop = 0
    } catch (error) {
      this.on.failed(error)
    } finally {
      if (this.loading === loading) this.loading = null
    }
  }

  /** Go to another incident. `extend`: select all from where the selection began. */
  async move(by, extend) {
    const wanted = this.current + by
    const move = ++this.moves
    if (wanted >= this.items.length && this.more) await this.#loadMore()
    if (!this.items.length || move !== this.moves) return // another selection came after
    this.#choose(Math.min(this.items.length - 1, Math.max(0, wanted)), extend)
    if (this.current > this.items.length - NEAR_END) this.#loadMore()
  }

  /** Go to the next incident after a verdict, if only one is selected. */
  advance() {
    if (this.selected.size <= 1) this.move(1, false)
  }

  selectAll() {
    this.moves++
    this.selected = new Set(this.items.map((one) => one.id))
    this.#show()
  }

  /** Select only the current incident. */
  selectOne() {
    this.#choose(this.current, false)
  }

  /** Returns the selected incidents. */
  targets() {
    return this.items.filter((one) => this.selected.has(one.id))
  }

  /** Take incidents that have changed. */
  replace(incidents) {
    const changed = new Map(incidents.map((one) => [one.id, one]))
    this.items = this.items.map((one) => changed.get(one.id) ?? one)
    this.#show()
    const current = this.items[this.current]
    if (current && changed.has(current.id)) this.on.chosen(current)
  }

  async #page(query, before) {
    const page = new URLSearchParams(query)
    page.set("limit", PAGE)
    if (before) page.set("before", before)
    return ask("GET", `${PATH}?${page}`)
  }

  #add({ incidents, before, state, message }) {
    const known = new Set(this.items.map((one) => one.id))
    this.items = [...this.items, ...incidents.filter((one) => !known.has(one.id))]
    this.more = before
    this.state = state
    this.message = message
  }

  async #loadMore() {
    if (!this.more) return
    if (this.loading) return this.loading.catch(() => null)
    const loading = (this.loading = this.#page(this.query, this.more))
    try {
      const answer = await loading
      if (this.loading !== loading) return
      this.#add(answer)
      this.#show()
    } catch (error) {
      this.on.failed(error)
    } finally {
      if (this.loading === loading) this.loading = null
    }
  }

  #scrolled() {
    const last = this.element.lastElementChild
    if (!this.more || !last) return
    const bottom = Math.min(innerHeight, this.element.getBoundingClientRect().bottom)
    if (last.getBoundingClientRect().top < bottom + 600) this.#loadMore()
  }

  #click(event) {
    const row = event.target.closest("li")
    if (!row) return
    const index = this.items.findIndex((one) => one.id === row.dataset.incident)
    if (event.ctrlKey || event.metaKey) {
      const { id } = this.items[index]
      const selected = new Set(this.selected)
      if (!selected.delete(id)) selected.add(id)
      this.#choose(index, false)
      this.selected = selected.size ? selected : this.selected
      this.#show()
    } else {
      this.#choose(index, event.shiftKey)
    }
  }

  #choose(index, extend) {
    this.moves++
    if (!extend) this.anchor = index
    const before = this.items[this.current]?.id
    this.current = index
    const [first, last] = [Math.min(this.anchor, index), Math.max(this.anchor, index)]
    this.selected = new Set(index < 0 ? [] : this.items.slice(first, last + 1).map((one) => one.id))
    this.#show()
    const now = this.items[index] ?? null
    if (now === null || now.id !== before) this.on.chosen(now)
    this.element.children[index]?.scrollIntoView({ block: "nearest" })
  }

  #show() {
    keep(
      this.element,
      this.items,
      (one) => one.id,
      (one) => this.#make(one),
      (row, one) => this.#fill(row, one),
    )
    const current = this.items[this.current]
    if (current) this.element.setAttribute("aria-activedescendant", `incident-${current.id}`)
    else this.element.removeAttribute("aria-activedescendant")
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
      image.addEventListener("error", () => (image.hidden = true))
      image.src = `${PATH}/${encodeURIComponent(id)}/picture`
    }
    const text = child(element, "span", "text")
    const head = child(text, "span", "head")
    const what = child(head, "strong")
    const verdict = child(head, "span", "said-chip")
    const where = child(text, "span", "where")
    const reason = child(text, "span", "reason")
    return { element, what, verdict, where, reason }
  }

  #fill(row, one) {
    const { element } = row
    element.setAttribute("aria-selected", this.selected.has(one.id))
    element.toggleAttribute("data-current", one === this.items[this.current])
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

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}
