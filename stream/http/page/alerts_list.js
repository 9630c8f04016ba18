// The list of alerts: open ones first, then the latest, each with the picture of the moment when it began.

import { ask } from "./api.js"
import { child, field, setText } from "./elements.js"
import { keep } from "./kept_rows.js"
import { clockTime, duration, plural, words } from "./words.js"

const PATH = "/api/v1/alerts"
const MOST_SHOWN = 100
const MOST_KEPT = 400
const RELOAD_MS = 500 // after an alert began, for its picture
const SEVERITIES = { critical: ["▲", "Critical"], warning: ["◆", "Warning"], info: ["●", "Info"] }
const ENDS = {
  over: "over",
  left: "the person is no longer seen",
  epoch: "the video began again",
  no_results: "no results",
  restart: "the engine stopped",
  rules: "the rule was changed",
  camera: "the camera was stopped",
}

export const isOpen = (alert) => alert.state !== "cleared"

export class AlertsList {
  /**
   * Calls `on.open(camera)` (null: all cameras) when an alert is selected, `on.changed()` when alerts have changed, and
   * `on.nowUs(camera)` for the time of a camera's latest frame, or null. `available`: whether this page shows alerts.
   */
  constructor(available, on) {
    this.available = available
    this.on = on
    this.mayAcknowledge = false
    this.alerts = new Map()
    this.camera = null
    this.hasRules = false
    this.arrived = null // while loading, the messages that arrive
    this.unlisted = new Set() // open alerts that the latest statistics lacked
    this.reloading = 0
    field("alerts-elsewhere").addEventListener("click", () => this.on.open(null))
  }

  /** Read the alerts from the engine, and whether it has rules. */
  async load() {
    if (!this.available) return
    this.arrived ??= []
    try {
      const { alerts } = await ask("GET", `${PATH}?limit=${MOST_SHOWN}`) // the open ones first
      this.alerts = new Map(alerts.map((alert) => [alert.alert, alert]))
      this.#showRules(await ask("GET", "/api/v1/rules").catch(() => ({})))
    } catch {
      // loaded again when the page is connected again
    }
    const arrived = this.arrived ?? []
    this.arrived = null
    for (const alert of arrived) this.#add(alert)
    this.#show()
  }

  /** Take a message about an alert. */
  take(alert) {
    if (!this.available) return
    this.arrived?.push(alert)
    if (!this.#add(alert)) return
    if (alert.state === "began") {
      setText(
        field("alerts-said"),
        `${SEVERITIES[alert.severity][1]}: ${words(alert.rule)}, ${alert.camera}. ${alert.reason}`,
      )
      this.reloading ||= setTimeout(() => {
        this.reloading = 0
        this.load()
      }, RELOAD_MS)
    }
    this.#show()
  }

  /**
   * Take the ids of the engine's open alerts from its statistics, null if it does not say. In a fleet, the end of an
   * alert may not have been published. The first statistics without an alert may have been made before it began.
   */
  listed(ids) {
    if (!ids || !this.available) return
    const listed = new Set(ids)
    const unlisted = [...this.alerts.values()].filter((one) => isOpen(one) && !listed.has(one.alert))
    if (unlisted.some((one) => this.unlisted.has(one.alert))) this.load()
    this.unlisted = new Set(unlisted.map((one) => one.alert))
  }

  /** Show only alerts of this camera if it is not null. */
  choose(camera) {
    if (camera === this.camera) return
    this.camera = camera
    this.#show()
  }

  /** Returns a camera's open alerts, the most urgent first. */
  openOf(camera) {
    return [...this.alerts.values()].filter((alert) => isOpen(alert) && alert.camera === camera).sort(byUrgency)
  }

  /** Update the durations. Called a few times a second. */
  update() {
    if (this.available) this.#show(false)
  }

  #add(alert) {
    const known = this.alerts.get(alert.alert)
    if (known && !isOpen(known) && isOpen(alert)) return false
    if (known && known.run === alert.run && known.epoch === alert.epoch && known.seq >= alert.seq) return false
    this.alerts.set(alert.alert, { ...alert, picture: alert.picture ?? known?.picture ?? false })
    if (this.alerts.size > MOST_KEPT) {
      const closed = [...this.alerts.values()].filter((one) => !isOpen(one)).sort((a, b) => a.began_us - b.began_us)
      this.alerts.delete((closed[0] ?? this.alerts.values().next().value).alert)
    }
    return true
  }

  #showRules({ rules, error, warnings }) {
    this.hasRules = Object.keys(rules ?? {}).length > 0 || Boolean(error)
    showText(field("rules-error"), error ? `The rules file has an error, and the previous rules apply: ${error}` : "")
    showText(field("rules-warning"), (warnings ?? []).join(" "))
  }

  #show(changed = true) {
    const open = [...this.alerts.values()].filter(isOpen)
    const here = [...this.alerts.values()].filter((alert) => this.camera === null || alert.camera === this.camera)
    here.sort(byUrgency)
    const elsewhere = open.length - here.filter(isOpen).length
    field("alerts-panel").hidden = !this.available || (!this.alerts.size && !this.hasRules)
    setText(field("alerts-open"), open.length > elsewhere ? `${open.length - elsewhere} open` : "")
    field("alerts-panel").dataset.open = open.length > 0
    showText(field("alerts-elsewhere"), elsewhere ? `${plural(elsewhere, "open alert")} at other cameras` : "")
    field("no-alerts").hidden = here.length > 0
    keep(
      field("alerts"),
      here.slice(0, MOST_SHOWN),
      (alert) => alert.alert,
      (alert) => this.#make(alert),
      (row, alert) => this.#fill(row, alert),
    )
    if (changed) this.on.changed()
  }

  #make({ alert, camera }) {
    const element = document.createElement("li")
    element.dataset.alert = alert
    const button = child(element, "button", "event")
    button.type = "button"
    button.addEventListener("click", () => this.on.open(camera))
    const thumb = child(button, "span", "thumb")
    const text = child(button, "span")
    const head = child(text, "span", "alert-head")
    const severity = child(head, "span", "severity")
    const what = child(head, "span", "what")
    const where = child(text, "span", "where")
    const place = child(where, "span", "", camera)
    const time = child(where, "span")
    const reason = child(text, "span", "reason")
    const lasted = child(text, "span", "where")
    const acknowledge = child(element, "button", "acknowledge", "Acknowledge")
    acknowledge.type = "button"
    acknowledge.addEventListener("click", () => this.#acknowledge(alert, acknowledge))
    const error = child(element, "p", "error")
    error.setAttribute("role", "alert")
    error.hidden = true
    return { element, thumb, severity, what, where: place, time, reason, lasted, acknowledge, error }
  }

  #fill(row, alert) {
    const { severity, camera, track, began_us: beganUs, reason, acknowledged_us: acknowledgedUs } = alert
    row.element.dataset.severity = severity
    row.element.dataset.open = isOpen(alert)
    const [sign, word] = SEVERITIES[severity]
    setText(row.severity, `${sign} ${word}`)
    setText(row.what, words(alert.rule))
    setText(row.where, track ? `${camera} · #${track}` : camera)
    setText(row.time, timeWords(beganUs))
    setText(row.reason, reason)
    const untilUs = isOpen(alert) ? Math.max(alert.capture_us, this.on.nowUs(camera) ?? 0) : alert.capture_us
    const lasted = duration(Math.max(0, untilUs - beganUs) / 1000)
    const end =
      alert.clear_reason && alert.clear_reason !== "over" ? `: ${ENDS[alert.clear_reason] ?? alert.clear_reason}` : ""
    const seen = acknowledgedUs ? `acknowledged ${timeWords(acknowledgedUs)}` : ""
    setText(
      row.lasted,
      [isOpen(alert) ? `Open for ${lasted}` : `Lasted ${lasted}${end}`, seen].filter(Boolean).join(" · "),
    )
    row.acknowledge.hidden = !this.mayAcknowledge || !isOpen(alert) || Boolean(acknowledgedUs)
    row.acknowledge.setAttribute("aria-label", `Acknowledge ${words(alert.rule)} at ${camera}`)
    if (alert.picture && !row.thumb.firstChild) this.#showPicture(row.thumb, alert)
  }

  #showPicture(thumb, { alert }) {
    const picture = child(thumb, "img")
    Object.assign(picture, { loading: "lazy", decoding: "async", alt: "" })
    picture.addEventListener("error", () => (picture.hidden = true))
    picture.src = `${PATH}/${encodeURIComponent(alert)}/picture`
  }

  async #acknowledge(id, button) {
    const error = button.nextSibling
    button.disabled = true
    error.hidden = true
    try {
      this.take(await ask("POST", `${PATH}/${encodeURIComponent(id)}/acknowledge`))
      button.previousSibling.focus()
    } catch (problem) {
      error.hidden = false
      error.textContent = problem.message
    } finally {
      button.disabled = false
    }
  }
}

/** Open alerts first, of these the ones to be acknowledged, then the most severe; otherwise the latest. */
function byUrgency(a, b) {
  const rank = (alert) =>
    isOpen(alert) ? [0, alert.acknowledged_us ? 1 : 0, Object.keys(SEVERITIES).indexOf(alert.severity)] : [1, 0, 0]
  const [first, second] = [rank(a), rank(b)]
  const at = first.findIndex((one, index) => one !== second[index])
  return at < 0 ? b.began_us - a.began_us : first[at] - second[at]
}

/** Returns a mark with the number of a camera's open alerts, as [text, severity, whether all are acknowledged]. */
export function badgeOf(alerts) {
  if (!alerts.length) return ["", "", false]
  const order = Object.keys(SEVERITIES)
  const severity = order.find((one) => alerts.some((alert) => alert.severity === one))
  return [`${SEVERITIES[severity][0]} ${alerts.length}`, severity, alerts.every((alert) => alert.acknowledged_us)]
}

/** Returns an instant's time of day, with the date if it is not today. */
function timeWords(us) {
  const date = new Date(us / 1000)
  const today = date.toDateString() === new Date().toDateString()
  return today ? clockTime(us) : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${clockTime(us)}`
}

function showText(element, text) {
  setText(element, text)
  element.hidden = !text
}
