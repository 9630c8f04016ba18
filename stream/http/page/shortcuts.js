// The keys of a live page, and what its help says about them.

import { openHelp } from "./help.js"

export const SHORTCUTS = [
  [["←", "↑", "→", "↓"], "Move between cameras"],
  [["Enter"], "Enlarge the selected camera"],
  [["Esc"], "Show all cameras, or clear the filter"],
  [["/"], "Filter by action"],
  [["D"], "Show or hide what the detector looks at"],
  [["Z"], "Show or hide the zones of the enlarged camera"],
  [["?"], "Show this help"],
]

/** Let keys act on these `CameraViews`. */
export function listenToShortcuts(views) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return
    if (views.detail.editor) return // it has its own keys
    const typing = event.target.matches("input, select, textarea")
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (key === "Escape") escape(views, typing && event.target)
    else if (typing || !act(views, key)) return
    event.preventDefault()
  })
}

function escape(views, field) {
  if (views.filter.text) views.filter.clear()
  else if (field) field.blur()
  else views.open(null)
  if (field) views.focusFirst()
}

/** Returns whether the key has a meaning. */
function act(views, key) {
  if (key === "/") views.filter.focus()
  else if (key === "d") views.toggle("detector")
  else if (key === "z" && views.opened) views.toggle("zones")
  else if (key === "?") openHelp()
  else if (key === "ArrowLeft" && views.opened) views.openNeighbour(-1)
  else if (key === "ArrowRight" && views.opened) views.openNeighbour(1)
  else if (key.startsWith("Arrow") && document.activeElement === document.body && !views.opened) views.focusFirst()
  else return false
  return true
}
