// The dialog to add, change and remove cameras. The engine's errors are shown next to their fields.

import { ask } from "./api.js"
import { field } from "./elements.js"
import { trimmedNumber } from "./words.js"

const FIELDS = ["id", "source", "max_fps", "staleness_ms", "detector_size", "lower_transport", "enabled"]
const NEW_HINT = "rtsp://…, rtsps://…, pattern:…, or whip for a camera that publishes. A password is not shown again."
const KNOWN_HINT = "Passwords are hidden. Leave the address unchanged to keep its password."

export class CameraForm {
  /** Calls `on.changed(id)` and `on.removed(id)` after the engine has made a change. */
  constructor(on) {
    this.on = on
    this.dialog = field("camera-dialog")
    this.form = field("camera-form")
    this.confirmation = field("remove-dialog")
    this.known = null
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#save()
    })
    field("camera-cancel").addEventListener("click", () => this.dialog.close())
    field("camera-remove").addEventListener("click", () => this.#askToRemove())
    field("remove-cancel").addEventListener("click", () => this.confirmation.close())
    field("remove-confirm").addEventListener("click", () => this.#remove())
  }

  /** Open the dialog for a new camera, or to change this one. */
  open(camera = null) {
    this.known = camera
    this.form.reset()
    this.#showErrors([])
    const { elements } = this.form
    elements.id.disabled = Boolean(camera)
    field("camera-title").textContent = camera ? `Edit ${camera.id}` : "Add a camera"
    field("camera-save").textContent = camera ? "Save" : "Add"
    field("camera-remove").hidden = !camera
    field("source-hint").textContent = camera ? KNOWN_HINT : NEW_HINT
    if (camera) this.#fill(camera)
    this.dialog.showModal()
    if (camera) elements.source.focus()
    else elements.id.focus()
  }

  #fill({ id, settings }) {
    const { elements } = this.form
    elements.id.value = id
    elements.source.value = settings.source
    elements.max_fps.value = settings.max_fps ?? ""
    elements.staleness_ms.value = settings.staleness_ms
    elements.detector_size.value = settings.detector_size?.join(" x ") ?? ""
    elements.lower_transport.value = settings.lower_transport
    elements.enabled.checked = settings.enabled
  }

  /** Returns the settings in the form; empty fields are null, which means the default. */
  #settings() {
    const { elements } = this.form
    const text = (name) => elements[name].value.trim()
    const settings = {
      source: text("source"),
      lower_transport: text("lower_transport"),
      enabled: elements.enabled.checked,
    }
    settings.max_fps = trimmedNumber(text("max_fps"))
    settings.staleness_ms = trimmedNumber(text("staleness_ms"))
    settings.detector_size = text("detector_size")
      ? text("detector_size")
          .split(/[\s,x×]+/)
          .map(trimmedNumber)
      : null
    return settings
  }

  async #save() {
    const { elements } = this.form
    const id = this.known?.id ?? elements.id.value.trim()
    const missing = [
      ["id", id],
      ["source", elements.source.value.trim()],
    ].filter(([, value]) => !value)
    if (missing.length) return this.#showErrors(missing.map(([name]) => [name, "is required"]))
    const settings = this.#settings()
    const path = `/api/v1/cameras/${encodeURIComponent(id)}`
    await this.#busy(field("camera-save"), async () => {
      if (this.known) await ask("PATCH", path, settings)
      else await this.#addNew(path, settings)
      this.dialog.close()
      this.on.changed(id)
    })
  }

  /** PUT would replace a camera with the same name, which is not what adding means. */
  async #addNew(path, settings) {
    const { cameras } = await ask("GET", "/api/v1/cameras")
    if (cameras.some((camera) => path.endsWith(`/${camera.id}`))) {
      throw Object.assign(new Error(), { fields: [["id", "A camera with this name already exists."]] })
    }
    const given = Object.entries(settings).filter(([, value]) => value !== null)
    await ask("PUT", path, Object.fromEntries(given))
  }

  #askToRemove() {
    field("remove-title").textContent = `Remove ${this.known.id}?`
    field("remove-text").textContent =
      "The engine stops reading the camera and deletes its settings. Recorded clips are kept."
    field("remove-error").hidden = true
    this.confirmation.showModal()
    field("remove-cancel").focus()
  }

  async #remove() {
    const { id } = this.known
    try {
      await ask("DELETE", `/api/v1/cameras/${encodeURIComponent(id)}`)
    } catch (error) {
      field("remove-error").hidden = false
      field("remove-error").textContent = error.message
      return
    }
    this.confirmation.close()
    this.dialog.close()
    this.on.removed(id)
  }

  async #busy(button, work) {
    this.#showErrors([])
    button.disabled = true
    try {
      await work()
    } catch (error) {
      this.#showErrors(error.fields?.length ? error.fields : [["", error.message]])
    } finally {
      button.disabled = false
    }
  }

  /** Show errors next to their fields, others above the form. An empty list removes all. */
  #showErrors(errors) {
    const by = new Map()
    for (const [name, text] of errors) {
      const [first] = name.split(".")
      const known = FIELDS.includes(first) ? first : ""
      by.set(known, [by.get(known), known ? text : [name, text].filter(Boolean).join(": ")].filter(Boolean).join(" "))
    }
    for (const place of this.form.querySelectorAll("[data-error]")) {
      const name = place.dataset.error
      place.hidden = !by.has(name)
      place.textContent = by.get(name) ?? ""
      const input = name && this.form.elements[name]
      if (!input) continue
      place.id ||= `error-${name}`
      input.setAttribute("aria-invalid", String(by.has(name)))
      input.setAttribute("aria-describedby", place.id)
    }
    const first = [...by.keys()].find((name) => name)
    if (first) this.form.elements[first].focus()
  }
}
