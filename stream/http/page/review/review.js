// The review page: connects the filters, the list, the player and the verdicts.

import { Problem, ask } from "../api.js"
import { field } from "../elements.js"
import { buildHelp, openHelp } from "../help.js"
import { Session } from "../session.js"
import { themeButton } from "../theme.js"
import { Filters } from "./filters.js"
import { IncidentList } from "./incident_list.js"
import { HELP, Keys } from "./keys.js"
import { Player } from "./player.js"
import { Timeline } from "./timeline.js"
import { Verdicts } from "./verdicts.js"

const NEW_EVERY_MS = 15000

class Review {
  constructor() {
    buildHelp(HELP)
    this.session = new Session({
      signedIn: (role) => this.#signedIn(role),
      failed: (error) => this.#failed(error),
    })
    this.filters = new Filters(field("filters"), () => this.load())
    this.timeline = new Timeline((fromUs, toUs) => this.filters.narrow(fromUs, toUs))
    this.player = new Player()
    this.list = new IncidentList(field("list"), {
      failed: (error) => this.#failed(error),
      chosen: (incident) => this.player.show(incident),
      changed: () => this.#count(),
    })
    this.verdicts = new Verdicts({
      targets: () => this.list.targets(),
      judged: (incidents) => this.list.replace(incidents),
      advance: () => this.list.advance(),
      left: () => field("list").focus({ preventScroll: true }),
      failed: (error) => this.#failed(error),
    })
    this.keys = new Keys({
      move: (by, extend) => this.list.move(by, extend),
      all: () => this.list.selectAll(),
      one: () => this.list.selectOne(),
      play: () => this.player.toggle(),
      overlay: () => this.player.toggleOverlay(),
      say: (verdict) => this.verdicts.say(verdict),
      really: () => this.verdicts.askReally(),
      undo: () => this.verdicts.undo(),
      filter: () => this.filters.focus(),
      help: openHelp,
    })
    themeButton(field("theme"))
    field("new").addEventListener("click", () => this.load())
    setInterval(() => this.ready && !document.hidden && this.#lookForNew(), NEW_EVERY_MS)
  }

  /** Load the list and the timeline for the filters. */
  async load() {
    field("new").hidden = true
    const query = this.filters.query()
    this.query = query
    const [total] = await Promise.all([
      this.timeline.load(query, this.filters.narrowed).catch((error) => this.#failed(error)),
      this.list.load(query, this.filters.linked),
    ])
    if (query === this.query) this.list.count(total ?? null)
  }

  async #signedIn(role) {
    this.verdicts.allow(role !== "read")
    this.keys.mayJudge = role !== "read"
    const failure = await this.filters.fill().catch((error) => error)
    await this.load()
    if (failure) this.#failed(failure)
    this.ready = true
    field("list").focus({ preventScroll: true })
  }

  async #lookForNew() {
    const { incidents } = await ask("GET", `/api/v1/incidents?${this.filters.query()}&limit=1`).catch(() => ({}))
    if (incidents?.length && incidents[0].id !== this.list.newest) field("new").hidden = false
  }

  #count() {
    const { items, pages, selected, total } = this.list
    const chosen = selected.size > 1 ? `${selected.size} selected` : ""
    const found = items.length && total ? `${total.toLocaleString()} found` : ""
    field("count").textContent = [found, chosen].filter(Boolean).join(", ")
    field("empty").hidden = items.length > 0
    this.#notice(pages.state === "ready" ? "" : pages.message)
  }

  #failed(error) {
    if (error instanceof Problem && error.status === 401) return this.session.askForToken()
    this.#notice(error.message, "bad")
  }

  #notice(text, level = "") {
    const notice = field("notice")
    notice.textContent = text
    notice.hidden = !text
    notice.dataset.level = level
  }
}

new Review().session.begin()
