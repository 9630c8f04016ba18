// The field that filters people by their action. It suggests the actions that were seen.

import { child, field } from "./elements.js"

const MAX_ACTIONS = 60
const LABEL = "Filter by action"

export class ActionFilter {
  /** Fills `#filter-place`, and calls `changed()` after the text has changed. */
  constructor(changed) {
    this.changed = changed
    this.actions = new Set()
    /** What to look for, in lower case; empty to show all people alike. */
    this.text = ""
    const place = field("filter-place")
    child(place, "label", "unseen", LABEL).htmlFor = "filter"
    this.input = Object.assign(child(place, "input"), { id: "filter", type: "search", placeholder: LABEL })
    Object.assign(this.input, { autocomplete: "off", spellcheck: false, maxLength: 60 })
    this.input.setAttribute("list", "actions")
    this.input.addEventListener("input", () => this.#take())
    child(place, "kbd", "", "/").setAttribute("aria-hidden", "true")
    this.options = Object.assign(child(place, "datalist"), { id: "actions" })
  }

  focus() {
    this.input.focus()
  }

  clear() {
    this.input.value = ""
    this.#take()
  }

  /** Suggest an action from now on. */
  suggest(action) {
    if (this.actions.has(action) || this.actions.size >= MAX_ACTIONS) return
    this.actions.add(action)
    child(this.options, "option").value = action
  }

  #take() {
    this.text = this.input.value.trim().toLowerCase()
    this.changed()
  }
}
