// What the colours of a live page mean, for its help.

import { child } from "./elements.js"

const TEXT =
  "The colour of a body part's box shows its relevance for the action. Each person's box has a different colour. " +
  "Thin light boxes are objects. Sand-coloured outlines are zones; a hatched zone is ignored."

/** Returns the elements. */
export function legend() {
  const all = document.createDocumentFragment()
  child(all, "h2", "", "Colours")
  const line = child(all, "p", "ramp-line")
  child(line, "span", "quiet", "low relevance")
  child(line, "span", "ramp").setAttribute("aria-hidden", "true")
  child(line, "span", "quiet", "high relevance")
  child(all, "p", "hint", TEXT)
  return all
}
