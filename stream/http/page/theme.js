// Light or dark theme: the system's, or the user's choice, which is stored.

const NAMES = ["auto", "light", "dark"]
const LABELS = { auto: "system", light: "light", dark: "dark" }
const SHAPES = {
  auto: ["M12 3a9 9 0 1 0 0 18z", "M12 3a9 9 0 0 1 0 18"],
  light: [
    "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8z",
    "M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  ],
  dark: ["M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"],
}

/** Make this button switch between the themes. */
export function themeButton(button) {
  let name = NAMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto"
  const show = () => {
    document.documentElement.dataset.theme = name
    button.setAttribute("aria-label", `Theme: ${LABELS[name]}`)
    button.title = `Theme: ${LABELS[name]}`
    button.replaceChildren(icon(SHAPES[name], name !== "light"))
  }
  button.addEventListener("click", () => {
    name = NAMES[(NAMES.indexOf(name) + 1) % NAMES.length]
    localStorage.setItem("theme", name)
    show()
  })
  show()
}

function icon(paths, filled) {
  const space = "http://www.w3.org/2000/svg"
  const element = document.createElementNS(space, "svg")
  element.setAttribute("viewBox", "0 0 24 24")
  element.setAttribute("aria-hidden", "true")
  paths.forEach((d, index) => {
    const path = document.createElementNS(space, "path")
    path.setAttribute("d", d)
    path.setAttribute("fill", filled && index === 0 ? "currentColor" : "none")
    path.setAttribute("stroke", "currentColor")
    path.setAttribute("stroke-width", "2")
    path.setAttribute("stroke-linecap", "round")
    element.append(path)
  })
  return element
}
