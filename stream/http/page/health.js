// The line of a live page that says how it is, and the notice below it.

import { field, setText } from "./elements.js"

/** `level`: good, wait, warn or bad. The notice is hidden if it is empty. */
export function showHealth(level, text, notice) {
  field("health").dataset.level = level
  setText(field("health-text"), text)
  field("notice").hidden = !notice
  field("notice").dataset.level = level
  setText(field("notice"), notice)
}
