// Verdicts on the selected alerts and events, one after another, with undo.

import { ask } from "../api.js"
import { child } from "../screen.js"
import { plural, words } from "../words.js"
import { verdictWords } from "./incident_list.js"

const PATH = "/api/v1/verdicts"
const MOST = 500 // in one request
const MOST_UNDONE = 100
const MOST_CHOICES = 60
const WHYS = {
  "no-clip": "no clip shows it yet",
  private: "the camera is in skeleton mode",
  "no-track": "the clip does not show the person",
  "nothing-to-learn": "",
  "no-such-incident": "no longer kept",
}

const field = (id) => document.getElementById(id)

export class Verdicts {
  /** Calls `on.targets()` for the incidents to judge, `on.judged(incidents)`, `on.advance()` and `on.failed(error)`. */
  constructor(on) {
    this.on = on
    this.allowed = false
    this.undone = []
    this.working = Promise.resolve()
    this.actions = []
    this.chosen = 0
    this.judging = []
    this.dialog = field("really-dialog")
    for (const button of field("judge").querySelectorAll("button")) {
      const { verdict } = button.dataset
      button.addEventListener("click", () => (verdict === "really" ? this.askReally() : this.say(verdict)))
    }
    field("undo").addEventListener("click", () => this.undo())
    field("really-cancel").addEventListener("click", () => this.dialog.close())
    field("really").addEventListener("input", () => this.#filter())
    field("really").addEventListener("keydown", (event) => this.#key(event))
    field("really-form").addEventListener("submit", (event) => {
      event.preventDefault()
      this.#takeReally()
    })
  }

  /** Show the buttons if the user may judge. */
  allow(allowed) {
    this.allowed = allowed
    field("judge").hidden = !allowed
  }

  /** Give this verdict to the selected incidents. */
  say(verdict, truth = null, targets = this.on.targets()) {
    if (!this.allowed || !targets.length) return
    const before = targets.map(({ id, verdict, truth }) => ({ id, verdict, truth: verdict === "really" ? truth : null }))
    this.#queue(async () => {
      const outcomes = await send(before.map((one) => one.id), verdict, truth)
      this.undone = [...this.undone, before].slice(-MOST_UNDONE)
      this.#judged(outcomes, verdictWords({ verdict, truth })[1])
    })
    this.on.advance()
  }

  /** Take the last verdict back. */
  undo() {
    if (!this.allowed) return
    this.#queue(async () => {
      const before = this.undone.pop()
      if (!before) return
      const groups = new Map()
      for (const { id, verdict, truth } of before) {
        const key = `${verdict} ${truth}`
        if (!groups.has(key)) groups.set(key, { verdict, truth, ids: [] })
        groups.get(key).ids.push(id)
      }
      const outcomes = []
      for (const { verdict, truth, ids } of groups.values()) outcomes.push(...(await send(ids, verdict, truth)))
      this.#judged(outcomes, "undone")
    })
  }

  /** Ask which action it really was. */
  async askReally() {
    const targets = this.on.targets()
    if (!this.allowed || !targets.length) return
    this.judging = targets
    field("really-form").reset()
    this.dialog.showModal()
    field("really").focus()
    if (!this.actions.length) {
      try {
        this.actions = (await ask("GET", "/api/v1/actions")).actions
      } catch (error) {
        this.on.failed(error)
      }
    }
    this.#filter()
  }

  /** One request after another, so that the last verdict wins. */
  #queue(work) {
    this.working = this.working.then(work).catch((error) => this.on.failed(error))
  }

  #judged(outcomes, what) {
    this.on.judged(outcomes.map((one) => one.incident).filter(Boolean))
    const saved = outcomes.filter((one) => one.saved).length
    const whys = new Map()
    for (const { why } of outcomes) if (WHYS[why]) whys.set(why, (whys.get(why) ?? 0) + 1)
    const notes = [...whys].map(([why, count]) =>
      outcomes.length > 1 ? `${count}: ${WHYS[why]}` : `not for training: ${WHYS[why]}`,
    )
    const text = `${what}: ${outcomes.length > 1 ? plural(saved, "verdict") : ""} saved`.replace(":  ", ": ")
    field("said").textContent = [text[0].toUpperCase() + text.slice(1), ...notes].join("; ")
    field("undo").hidden = !this.undone.length
  }

  // -- the dialog "really" ----------------------------------------------------------------------------------------
  #filter() {
    const typed = field("really").value.trim().toLowerCase().replaceAll(" ", "_")
    this.shown = this.actions.filter((action) => action.toLowerCase().includes(typed)).slice(0, MOST_CHOICES)
    this.shown.sort((a, b) => b.toLowerCase().startsWith(typed) - a.toLowerCase().startsWith(typed))
    if (typed && !this.shown.includes(typed)) this.shown.push(typed)
    this.#mark(0)
    field("really-error").hidden = true
  }

  #mark(index) {
    const list = field("really-list")
    this.chosen = Math.max(0, Math.min(index, this.shown.length - 1))
    list.replaceChildren()
    this.shown.forEach((action, number) => {
      const isNew = !this.actions.includes(action)
      const row = child(list, "li", "", isNew ? `${words(action)} (new)` : words(action))
      row.id = `really-${number}`
      row.setAttribute("role", "option")
      row.setAttribute("aria-selected", number === this.chosen)
      row.addEventListener("click", () => {
        this.chosen = number
        this.#takeReally()
      })
    })
    list.children[this.chosen]?.scrollIntoView({ block: "nearest" })
    if (this.shown.length) field("really").setAttribute("aria-activedescendant", `really-${this.chosen}`)
    else field("really").removeAttribute("aria-activedescendant")
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!by) return
    event.preventDefault()
    this.#mark(this.chosen + by)
  }

  #takeReally() {
    const truth = this.shown?.[this.chosen]
    const valid = truth && (this.actions.includes(truth) || /^[a-z][a-z0-9_]{0,39}$/.test(truth))
    const error = field("really-error")
    error.hidden = Boolean(valid)
    error.textContent = "Choose an action, or write a name of lower-case letters, digits and _, at most 40."
    if (!valid) return
    if (!this.actions.includes(truth)) this.actions = [...this.actions, truth].sort()
    this.dialog.close()
    this.say("really", truth, this.judging)
  }
}

/** Returns what became of the verdict on each of these. */
async function send(ids, verdict, truth) {
  const outcomes = []
  for (let at = 0; at < ids.length; at += MOST) {
    const body = { ids: ids.slice(at, at + MOST), verdict, ...(truth === null ? {} : { truth }) }
    outcomes.push(...(await ask("POST", PATH, body)).outcomes)
  }
  return outcomes
}
