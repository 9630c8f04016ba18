// Verdicts on the selected alerts and events, one request after another, with undo.

import { ask } from "../api.js"
import { child, field } from "../elements.js"
import { plural, words } from "../words.js"
import { verdictWords } from "./incident_list.js"

const PATH = "/api/v1/verdicts"
const INCIDENTS = "/api/v1/incidents"
const AT_ONCE = 25 // in one request, so that a slow disk does not make it fail
const MOST_UNDONE = 100
const MOST_CHOICES = 60
const WHYS = {
  "no-clip": "no clip shows it yet",
  private: "the camera is in skeleton mode",
  "no-track": "the clip does not show the person",
  "nothing-to-learn": "",
  "no-such-incident": "no longer kept",
}

export class Verdicts {
  /** Calls `on.targets()` for the incidents to judge, `on.judged(incidents)`, `on.advance()`, `on.left()` after a button
   * was pressed, and `on.failed(error)`. */
  constructor(on) {
    this.on = on
    this.allowed = false
    /** What can be undone, the latest last. Each is a list of {was, now}: an incident before and after it changed. */
    this.undone = []
    this.working = Promise.resolve()
    this.waiting = 0 // works
    this.latest = new Map() // what was answered since works wait, by id
    this.actions = []
    this.chosen = 0
    this.judging = []
    this.dialog = field("really-dialog")
    for (const button of field("judge").querySelectorAll("button")) {
      const { verdict } = button.dataset
      button.addEventListener("click", () => {
        this.on.left() // or the space bar would press it again
        if (verdict === "really") this.askReally()
        else this.say(verdict === "none" ? null : verdict)
      })
    }
    field("undo").addEventListener("click", () => {
      this.on.left()
      this.undo()
    })
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

  /** Give this verdict to the selected incidents; null takes theirs back. */
  say(verdict, truth = null, targets = this.on.targets()) {
    if (!this.allowed || !targets.length) return
    const what = verdict ? verdictWords({ verdict, truth })[1] : "taken back"
    this.#queue(async () => {
      const changes = []
      const outcomes = []
      for (let at = 0; at < targets.length; at += AT_ONCE) {
        const part = targets.slice(at, at + AT_ONCE).map((one) => this.latest.get(one.id) ?? one)
        outcomes.push(...(await this.#send(part, verdict, truth, changes)))
        this.#tell(what, outcomes, targets.length, outcomes.length < targets.length)
      }
    })
    this.on.advance()
  }

  /** Take the last verdict back, except where someone else has changed it meanwhile. */
  undo() {
    if (!this.allowed) return
    this.#queue(async () => {
      const changes = this.undone.at(-1)
      if (!changes) return
      const total = changes.length
      const outcomes = []
      let kept = 0
      while (changes.length) {
        const { was } = changes[0]
        const part = changes.filter((one) => same(one.was, was)).slice(0, AT_ONCE)
        const found = new Map((await current(part.map((one) => one.was.id))).map((one) => [one.id, one]))
        const mine = part.filter(({ now }) => isThat(found.get(now.id), now)).map(({ now }) => found.get(now.id))
        this.#took([...found.values()])
        kept += [...found.values()].filter((one) => !mine.includes(one) && !same(one, was)).length
        const truth = was.verdict === "really" ? was.truth : null
        if (mine.length) outcomes.push(...(await this.#send(mine, was.verdict, truth)))
        changes.splice(0, changes.length, ...changes.filter((one) => !part.includes(one)))
        this.#tell("undone", outcomes, total, changes.length > 0, kept)
      }
      this.undone.pop()
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

  /** One work after another, so that the last verdict wins. */
  #queue(work) {
    this.waiting++
    this.working = this.working
      .then(work)
      .catch((error) => this.on.failed(error))
      .finally(() => {
        if (!--this.waiting) this.latest.clear()
        field("undo").hidden = !this.undone.length
      })
  }

  /** Returns what became of the verdict on each of these. What changes is added to `changes`, which can be undone. */
  async #send(before, verdict, truth, changes = null) {
    const ids = before.map((one) => one.id)
    try {
      const { outcomes } = await ask("POST", PATH, { ids, verdict, ...(truth === null ? {} : { truth }) })
      this.#took(outcomes.map((one) => one.incident).filter(Boolean), before, changes)
      return outcomes
    } catch (error) {
      this.#took(await current(ids).catch(() => []), before, changes) // some may have been saved
      throw error
    }
  }

  /** Take the present state of incidents. */
  #took(incidents, before = [], changes = null) {
    const known = new Map(before.map((one) => [one.id, one]))
    for (const now of incidents) {
      const was = known.get(now.id)
      this.latest.set(now.id, now)
      if (changes && !same(was, now)) changes.push({ was, now })
      if (!changes && was) {
        // What was undone is again what an earlier verdict has made of it.
        for (const one of this.undone.flat()) if (one.now.id === now.id && same(one.now, now)) one.now = now
      }
    }
    if (changes?.length && !this.undone.includes(changes)) this.undone = [...this.undone, changes].slice(-MOST_UNDONE)
    this.on.judged(incidents)
  }

  /** Say what became of the verdicts on `total` incidents. `kept`: those that someone else has changed. */
  #tell(what, outcomes, total, pending, kept = 0) {
    const saved = outcomes.filter((one) => one.saved).length
    const whys = new Map()
    for (const { why } of outcomes) if (WHYS[why]) whys.set(why, (whys.get(why) ?? 0) + 1)
    const notes = [...whys].map(([why, count]) => `${total > 1 ? count : "not for training"}: ${WHYS[why]}`)
    if (kept) notes.push(total > 1 ? `${kept}: changed meanwhile` : "it was changed meanwhile")
    const ofAll = pending ? `${saved} of ${plural(total, "verdict")}` : plural(saved, "verdict")
    const text = `${what}: ${total > 1 ? `${ofAll} ` : saved ? "" : "not "}saved`
    field("said").textContent = [text[0].toUpperCase() + text.slice(1), ...notes].join("; ")
  }

  // -- the dialog "really" ----------------------------------------------------------------------------------------
  #filter() {
    const typed = field("really").value.trim().toLowerCase().replaceAll(" ", "_")
    const rank = (action) => (action === typed ? 0 : action.startsWith(typed) ? 1 : 2)
    this.shown = this.actions
      .filter((action) => action.toLowerCase().includes(typed))
      .sort((a, b) => rank(a.toLowerCase()) - rank(b.toLowerCase()))
      .slice(0, MOST_CHOICES)
    if (typed && this.shown[0]?.toLowerCase() !== typed) this.shown.unshift(typed)
    this.#mark(typed ? 0 : -1) // Enter takes what was written, unless another one is chosen
    field("really-error").hidden = true
  }

  #mark(index) {
    const list = field("really-list")
    this.chosen = Math.min(index, this.shown.length - 1)
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
    if (this.chosen >= 0) field("really").setAttribute("aria-activedescendant", `really-${this.chosen}`)
    else field("really").removeAttribute("aria-activedescendant")
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!by) return
    event.preventDefault()
    this.#mark(Math.max(0, this.chosen + by))
  }

  #takeReally() {
    const truth = this.shown?.[this.chosen]
    const valid = truth && (this.actions.includes(truth) || /^[a-z][a-z0-9_]{0,39}$/.test(truth))
    const error = field("really-error")
    error.hidden = Boolean(valid)
    error.textContent = "Choose an action, or type a name: a lower-case letter, then up to 39 lower-case letters, digits or _."
    if (!valid) return
    if (!this.actions.includes(truth)) this.actions = [...this.actions, truth].sort()
    this.dialog.close()
    this.say("really", truth, this.judging)
  }
}

/** Returns the present state of these incidents, without those that are no longer kept. */
async function current(ids) {
  const found = []
  for (const id of ids) {
    try {
      found.push(await ask("GET", `${INCIDENTS}/${encodeURIComponent(id)}`))
    } catch (error) {
      if (error.status !== 404) throw error
    }
  }
  return found
}

/** Returns whether two incidents have the same verdict. */
const same = (one, other) => one.verdict === other.verdict && one.truth === other.truth

/** Returns whether an incident, which may be no longer kept, has this very verdict. */
const isThat = (found, now) => found && same(found, now) && found.at_us === now.at_us
