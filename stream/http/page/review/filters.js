// The filters above the list. They are kept in the page's address.

import { ask } from "../api.js"
import { words } from "../words.js"

const HOUR_US = 3600e6
const NAMES = ["camera", "kind", "rule", "action", "verdict"]

export class Filters {
  /** Calls `changed()` when the user has changed a filter. */
  constructor(form, changed) {
    this.form = form
    this.changed = changed
    /** The part of the period that the user chose, [from, to] in µs, or null. */
    this.narrowed = null
    this.given = new URLSearchParams(location.search)
    /** The id of the incident to which the address leads, or null. */
    this.linked = this.given.get("incident")
    form.addEventListener("submit", (event) => event.preventDefault())
    form.addEventListener("change", (event) => {
      if (event.target.name === "period") this.narrowed = null
      this.linked = null
      this.#keep()
      changed()
    })
  }

  /** Fill the lists of cameras, rules and actions, and take the filters in the address. */
  async fill() {
    const [{ cameras }, { rules }, { actions }] = await Promise.all([
      ask("GET", "/api/v1/cameras"),
      ask("GET", "/api/v1/rules"),
      ask("GET", "/api/v1/actions"),
    ])
    this.#options("camera", "all", cameras.map((camera) => camera.id))
    this.#options("rule", "any", Object.keys(rules ?? {}))
    this.#options("action", "any", actions)
    for (const name of [...NAMES, "period"]) {
      const [value, select] = [this.given.get(name), this.form.elements[name]]
      if (value === null) continue
      // What is not known now, such as a removed camera, may still have incidents.
      if (![...select.options].some((option) => option.value === value)) select.add(new Option(value, value))
      select.value = value
    }
    if (this.linked) {
      const { began_us } = await ask("GET", `/api/v1/incidents/${encodeURIComponent(this.linked)}`)
      this.narrowed = [began_us - this.form.elements.period.value * HOUR_US, began_us + 1]
    }
  }

  /** Returns the query that selects what is wanted. */
  query() {
    const query = new URLSearchParams()
    for (const name of NAMES) {
      const value = this.form.elements[name].value
      if (value) query.set(name, value)
    }
    const nowUs = Date.now() * 1000
    const [from, to] = this.narrowed ?? [nowUs - this.form.elements.period.value * HOUR_US, nowUs + HOUR_US]
    query.set("from", Math.max(0, Math.round(from)))
    query.set("to", Math.round(to))
    return query
  }

  /** Show only what began from `from` to `to` in µs; null: the whole period. */
  narrow(from, to) {
    this.narrowed = from === null ? null : [from, to]
    this.changed()
  }

  focus() {
    this.form.elements.camera.focus()
  }

  #options(name, all, values) {
    const select = this.form.elements[name]
    select.replaceChildren(new Option(all, ""), ...values.map((value) => new Option(words(value), value)))
  }

  #keep() {
    const kept = new URLSearchParams()
    for (const name of [...NAMES, "period"]) {
      const select = this.form.elements[name]
      if (![...select.options].find((option) => option.selected)?.defaultSelected && select.value)
        kept.set(name, select.value)
    }
    history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname)
  }
}
