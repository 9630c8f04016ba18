// The help dialog: the page's keys, what the page itself says in `#help-dialog`, and the end of the session.

import { button, child, field } from "./elements.js"

/** Build the dialog. `shortcuts`: [[keys, what they do], …]; `others`: elements that follow them. */
export function buildHelp(shortcuts, ...others) {
  const dialog = field("help-dialog")
  const own = [...dialog.children]
  child(dialog, "h2", "", "Keyboard shortcuts").id = "help-title"
  dialog.setAttribute("aria-labelledby", "help-title")
  const list = child(dialog, "dl", "keys")
  for (const [keys, text] of shortcuts) {
    const row = child(list, "div")
    const names = child(row, "dt")
    keys.forEach((key) => child(names, "kbd", "", key))
    child(row, "dd", "", text)
  }
  dialog.append(...others, ...own)
  const actions = child(dialog, "div", "actions")
  Object.assign(button(actions, "", "Sign out"), { id: "logout", hidden: true })
  child(actions, "span", "space")
  const close = Object.assign(button(actions, "", "Close"), { autofocus: true })
  close.addEventListener("click", () => dialog.close())
  field("help-open").addEventListener("click", openHelp)
}

export const openHelp = () => field("help-dialog").showModal()
