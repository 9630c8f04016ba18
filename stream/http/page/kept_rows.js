// Lists whose rows are kept while their items change.

import { child } from "./elements.js"

const rows = new WeakMap()

/** Keep one child for each item, in order. Children are reused by key, so that they keep the focus. */
export function keep(parent, items, keyOf, make, change) {
  const known = rows.get(parent) ?? new Map()
  const now = new Map(items.map((item) => [keyOf(item), known.get(keyOf(item)) ?? make(item)]))
  rows.set(parent, now)
  for (const item of items) change(now.get(keyOf(item)), item)
  const elements = [...now.values()].map((row) => row.element)
  const kept = new Set(elements)
  for (const element of [...parent.childNodes]) if (!kept.has(element)) element.remove()
  elements.forEach((element, index) => {
    const there = parent.childNodes[index]
    if (there !== element) parent.insertBefore(element, there ?? null)
  })
}

/** Show only this text. */
export function quiet(parent, text) {
  if (parent.children.length === 1 && parent.firstChild.textContent === text) return
  parent.replaceChildren()
  rows.delete(parent)
  child(parent, "p", "quiet", text)
}
