// Elements of the page: found, made, and changed.

export const field = (id) => document.getElementById(id)

/** Appends a new element to `parent` and returns it. */
export function child(parent, name, className = "", text = "") {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text) element.textContent = text
  parent.append(element)
  return element
}

/** Appends a new button to `parent` and returns it. */
export const button = (parent, className, text) =>
  Object.assign(child(parent, "button", className, text), { type: "button" })

/** Change the text only if it differs: screen readers would read it again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}
