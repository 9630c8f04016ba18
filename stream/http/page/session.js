// The user's role, and the sign-in dialog if the engine needs a token.

import { ask } from "./api.js"

const field = (id) => document.getElementById(id)

export class Session {
  /** Calls `on.signedIn(role)` when the user has access. */
  constructor(on) {
    this.on = on
    this.dialog = field("login-dialog")
    this.form = field("login-form")
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

  /** Throws `Problem` if the engine is not reachable. */
  async begin() {
    try {
      this.#enter(await ask("GET", "/api/v1/session"))
    } catch (error) {
      if (error.status !== 401) throw error
      this.askForToken()
    }
  }

  askForToken() {
    if (this.dialog.open) return
    this.form.reset()
    this.dialog.showModal()
  }

  async #signIn() {
    const token = this.form.elements.token.value.trim()
    const message = field("login-error")
    message.hidden = true
    try {
      const answer = await ask("POST", "/api/v1/session", { token })
      this.dialog.close()
      this.#enter(answer)
    } catch (error) {
      message.hidden = false
      message.textContent = error.status === 401 || error.status === 422 ? "Unknown token" : error.message
      this.form.elements.token.select()
    }
  }

  #enter({ role, by }) {
    field("logout").hidden = by !== "session"
    this.on.signedIn(role)
  }
}
