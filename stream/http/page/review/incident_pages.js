// A window on the alerts and events that match a query, the latest first: pages are loaded when they are needed, and only
// some are held at once.

import { ask } from "../api.js"

export const PATH = "/api/v1/incidents"
const PAGE = 50
const MOST_AGAIN = 100 // of a page that was dropped: what arrived late is loaded with it
export const MOST_PAGES = 4

/** Returns a negative number if `one` comes before `other` in the list, a positive one if after. */
export const order = (one, other) =>
  other.began_us - one.began_us || (one.id < other.id ? 1 : one.id > other.id ? -1 : 0)

const cursorAt = ({ began_us, id }) => `${began_us}:${id}`

export class IncidentPages {
  constructor(query) {
    this.query = query
    /** Each {before, last, items, count, height}: `items` is null if the page was dropped, which had `count` items. */
    this.pages = []
    this.first = 0 // of the pages that are held
    this.more = null // `before` of the page after the last known one
    this.state = "ready"
    this.message = ""
  }

  /** The pages that are held, in order. */
  get held() {
    return this.pages.slice(this.first).filter((page) => page.items)
  }

  get items() {
    return this.held.flatMap((page) => page.items)
  }

  get end() {
    return this.first + this.held.length
  }

  get hasAfter() {
    return this.end < this.pages.length || Boolean(this.more)
  }

  get hasBefore() {
    return this.first > 0
  }

  /** Returns how many items are known before those that are held. */
  get before() {
    return this.pages.slice(0, this.first).reduce((sum, page) => sum + page.count, 0)
  }

  /** Load the page after those that are held, and drop the first one if too many are. */
  async loadAfter() {
    if (this.end < this.pages.length) await this.#again(this.end)
    else await this.#new()
    while (this.held.length > MOST_PAGES) drop(this.pages[this.first++])
  }

  /** Load the page before those that are held, and drop the last one if too many are. */
  async loadBefore() {
    await this.#again(this.first - 1)
    this.first--
    while (this.held.length > MOST_PAGES) drop(this.pages[this.end - 1])
  }

  /** Hold only this page, a known one. */
  async jump(number) {
    const held = this.held
    const page = this.pages[number]
    if (!page.items) await this.#again(number)
    for (const other of held) if (other !== page) drop(other)
    this.first = number
  }

  /** Returns the number of the known page that has, or would have, this item. */
  numberOf(item) {
    const number = this.pages.findIndex((page) => page.last && order(item, page.last) <= 0)
    return number < 0 ? this.pages.length - 1 : number
  }

  /** Returns the items from `from` to `to` of pages that are not held, except of pages of which `known` has all. */
  async between(from, to, known) {
    const found = []
    for (let number = this.numberOf(from); number <= this.numberOf(to); number++) {
      const page = this.pages[number]
      if (page.items || known.filter((one) => this.numberOf(one) === number).length >= page.count) continue
      const { incidents } = await this.#known(page)
      found.push(...incidents.filter((one) => order(from, one) <= 0 && order(one, to) <= 0))
    }
    return found
  }

  /** Take items that have changed. */
  replace(changed) {
    for (const page of this.held) page.items = page.items.map((one) => changed.get(one.id) ?? one)
  }

  async #new() {
    const answer = await this.#ask(this.more, PAGE)
    const { incidents } = answer
    this.state = answer.state
    this.message = answer.message
    // What comes after this page begins before the first load, so that what began since does not move the pages.
    const before = this.more ?? (incidents.length ? `${cursorAt(incidents[0])}~` : null)
    this.more = answer.before
    if (!incidents.length && this.pages.length) return
    this.pages.push({ before, last: incidents.at(-1), items: incidents, count: incidents.length, height: 0 })
  }

  async #again(number) {
    const page = this.pages[number]
    page.items = (await this.#known(page)).incidents
    page.count = page.items.length
  }

  async #known({ before, last }) {
    if (!last) return { incidents: [] }
    const { incidents } = await this.#ask(before, MOST_AGAIN)
    return { incidents: incidents.filter((one) => order(one, last) <= 0) }
  }

  async #ask(before, limit) {
    const query = new URLSearchParams(this.query)
    query.set("limit", limit)
    if (before) query.set("before", before)
    return ask("GET", `${PATH}?${query}`)
  }
}

function drop(page) {
  page.items = null
}
