// Who may do what: asks the engine, and for a token where it wants one.

import { ask } from "./api.js"

const field = (id) => document.getElementById(id)

export class Session {
  /** `on.signedIn(role)` once the engine can be read. */
  constructor(on) {
    this.on = on
    this.dialog = field("login-dialog")
    this.form = field("login-form")
    this.dialog.addEventListener("cancel", (event) => event.preventDefault()) // there is nothing behind it
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#signIn()
    })
    field("logout").addEventListener("click", async () => {
      await ask("DELETE", "/api/v1/session").catch(() => null)
      location.reload()
    })
  }

  /** Throws `Problem` if the engine can't be reached. */
  async begin() {
    try {
      this.#told(await ask("GET", "/api/v1/session"))
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
    const fault = field("login-fault")
    fault.hidden = true
    try {
      const told = await ask("POST", "/api/v1/session", { token })
      this.dialog.close()
      this.#told(told)
    } catch (error) {
      fault.hidden = false
      fault.textContent = error.status === 401 || error.status === 422 ? "This token isn't known here." : error.message
      this.form.elements.token.select()
    }
  }

  #told({ role, by }) {
    field("logout").hidden = by !== "session"
    this.on.signedIn(role)
  }
}
