// The user's role, and the sign-in dialog if the server needs a token.

import { ask } from "./api.js"
import { button, child, field } from "./elements.js"

const RETRY_MS = 2000

export class Session {
  /**
   * Calls `on.signedIn(role)` when the user has access, and `on.failed(error)` while the server is not reachable. The
   * page's `#login-dialog` contains the hint only.
   */
  constructor(on) {
    this.on = on
    this.dialog = field("login-dialog")
    this.#build()
    this.dialog.addEventListener("cancel", (event) => event.preventDefault()) // the page is empty without a token
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#signIn()
    })
    field("logout").addEventListener("click", async () => {
      await ask("DELETE", "/api/v1/session").catch(() => null)
      location.reload()
    })
  }

  #build() {
    const hint = this.dialog.firstElementChild
    this.form = Object.assign(child(this.dialog, "form"), { method: "dialog", noValidate: true })
    child(this.form, "h2", "", "Sign in").id = "login-title"
    this.dialog.setAttribute("aria-labelledby", "login-title")
    this.form.append(hint)
    this.token = child(child(this.form, "label", "", "Token "), "input")
    Object.assign(this.token, { type: "password", required: true, autocomplete: "current-password", maxLength: 1024 })
    this.error = Object.assign(child(this.form, "p", "error"), { id: "login-error", hidden: true })
    this.error.setAttribute("role", "alert")
    const actions = child(this.form, "div", "actions")
    child(actions, "span", "space")
    button(actions, "primary", "Sign in").type = "submit"
  }

  /** Sign in with the cookie, or ask for a token. Tries again while the server is not reachable. */
  async begin() {
    try {
      this.#enter(await ask("GET", "/api/v1/session"))
    } catch (error) {
      if (error.status === 401) return this.askForToken()
      this.on.failed(error)
      setTimeout(() => this.begin(), RETRY_MS)
    }
  }

  askForToken() {
    if (this.dialog.open) return
    this.form.reset()
    this.dialog.showModal()
  }

  async #signIn() {
    this.error.hidden = true
    try {
      const answer = await ask("POST", "/api/v1/session", { token: this.token.value.trim() })
      this.dialog.close()
      this.#enter(answer)
    } catch (error) {
      this.error.hidden = false
      this.error.textContent = error.status === 401 || error.status === 422 ? "Unknown token" : error.message
      this.token.select()
    }
  }

  #enter({ role, by }) {
    field("logout").hidden = by !== "session"
    this.on.signedIn(role)
  }
}
