// The page's keys. None of them works while a text is typed, a list is open, or a dialog is shown.

import { field } from "../elements.js"

export const HELP = [
  [["J", "↓"], "Next"],
  [["K", "↑"], "Previous"],
  [["Shift", "↑ ↓"], "Select several"],
  [["A"], "Select all loaded ones, at most 200"],
  [["Esc"], "Deselect all but one"],
  [["Space"], "Play or pause the clip"],
  [["O"], "Show or hide the overlay"],
  [["R"], "Right"],
  [["W"], "Wrong"],
  [["X"], "Really another action"],
  [["S"], "Skip: it cannot be judged"],
  [["N"], "None: take the verdict back"],
  [["U"], "Undo the last verdict"],
  [["/"], "Filters"],
  [["?"], "Show this help"],
]
const MOVES = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }
const VERDICTS = { r: "right", w: "wrong", s: "skip", n: null }

export class Keys {
  /** Calls the functions of `does`: move, all, one, play, overlay, say, really, undo, filter, help. */
  constructor(does) {
    this.does = does
    this.mayJudge = false
    document.addEventListener("keydown", (event) => this.#key(event))
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (document.querySelector("dialog[open]")) return
    const { target } = event
    if (event.key === "Escape") {
      target.blur?.()
      field("list").focus({ preventScroll: true })
      return this.does.one()
    }
    if (target.matches?.("input, select, textarea")) return
    if (event.key === " " && target.matches?.("button, a")) return // it presses the button
    if (this.#act(event)) event.preventDefault()
  }

  #act(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (key in MOVES) {
      const by = Number.isFinite(MOVES[key]) ? MOVES[key] : Math.sign(MOVES[key]) * 1e6
      this.does.move(by, event.shiftKey)
    } else if (event.repeat) return key === " " // a key that is held only moves; the page does not scroll either
    else if (key === "a") this.does.all()
    else if (key === " ") this.does.play()
    else if (key === "o") this.does.overlay()
    else if (key === "/") this.does.filter()
    else if (key === "?") this.does.help()
    else if (!this.mayJudge) return false
    else if (key in VERDICTS) this.does.say(VERDICTS[key])
    else if (key === "x") this.does.really()
    else if (key === "u") this.does.undo()
    else return false
    return true
  }
}
