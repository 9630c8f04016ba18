// How many alerts and events began when, as bars. A bar narrows the list to its time.

import { ask } from "../api.js"
import { child, field } from "../elements.js"
import { plural } from "../words.js"

const BUCKETS = 96
const LOWEST = 0.08 // of the height, so that a single event is visible

export class Timeline {
  /** Calls `choose(fromUs, toUs)` when a bar is chosen; (null, null): the whole period. */
  constructor(choose) {
    this.choose = choose
    field("whole").addEventListener("click", () => choose(null, null))
  }

  /**
   * Show the bars for a query with `from` and `to`. `narrowed`: whether it is a part of the period. Returns the number of
   * alerts and events.
   */
  async load(query, narrowed) {
    const { buckets } = await ask("GET", `/api/v1/incidents/timeline?${query}&buckets=${BUCKETS}`)
    const most = Math.max(1, ...buckets.map((one) => one.alerts + one.events))
    const total = buckets.reduce((sum, one) => sum + one.alerts + one.events, 0)
    const end = Number(query.get("to"))
    const bars = field("bars")
    bars.replaceChildren()
    buckets.forEach((one, index) => {
      const count = one.alerts + one.events
      const [from, to] = [one.from_us, buckets[index + 1]?.from_us ?? end]
      const bar = child(bars, count ? "button" : "span", "bar-of")
      if (!count) return
      const text = [
        one.alerts && plural(one.alerts, "alert"),
        one.events && plural(one.events, "event"),
        `from ${timeWords(from)}`,
      ]
      bar.type = "button"
      bar.tabIndex = -1 // the filters do the same; 96 stops for the Tab key would be in the way
      bar.title = text.filter(Boolean).join(", ")
      bar.setAttribute("aria-label", bar.title)
      bar.style.setProperty("--height", Math.max(LOWEST, count / most))
      bar.style.setProperty("--alerts", `${Math.round((100 * one.alerts) / count)}%`)
      bar.addEventListener("click", () => this.choose(from, to))
    })
    field("begin").textContent = timeWords(Number(query.get("from")))
    field("end").textContent = narrowed ? timeWords(end) : "now"
    field("whole").hidden = !narrowed
    field("whole").textContent = "Show the whole period"
    return total
  }
}

/** Returns an instant in µs as date and time of day. */
export const timeWords = (us) =>
  new Date(us / 1000).toLocaleString([], {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  })
