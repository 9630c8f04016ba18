// Adding, changing and removing cameras. What the engine finds wrong is said at the field that it is about.

import { ask } from "./api.js"
import { trimmedNumber } from "./words.js"

const FIELDS = ["id", "source", "max_fps", "staleness_ms", "detector_size", "lower_transport", "enabled"]
const NEW_HINT = "rtsp://, rtsps://, pattern:, or whip to publish to it. A password in it is never shown again."
const KNOWN_HINT = "Its password isn't shown; left as it is, the address stays."
const field = (id) => document.getElementById(id)

export class CameraForm {
  /** `on.changed(id)` when the engine has made a change; `on.removed(id)`. */
  constructor(on) {
    this.on = on
    this.dialog = field("camera-dialog")
    this.form = field("camera-form")
    this.sure = field("remove-dialog")
    this.known = null
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#save()
    })
    field("camera-cancel").addEventListener("click", () => this.dialog.close())
    field("camera-remove").addEventListener("click", () => this.#askToRemove())
    field("remove-keep").addEventListener("click", () => this.sure.close())
    field("remove-sure").addEventListener("click", () => this.#remove())
  }

  /** For a new camera, or to change this one. */
  open(camera = null) {
    this.known = camera
    this.form.reset()
    this.#fault([])
    const { elements } = this.form
    elements.id.disabled = Boolean(camera)
    field("camera-title").textContent = camera ? `Change ${camera.id}` : "Add a camera"
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

  /** The settings that are written in the form; what is left empty is the default's. */
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
    if (missing.length) return this.#fault(missing.map(([name]) => [name, "is needed"]))
    const settings = this.#settings()
    const path = `/api/v1/cameras/${encodeURIComponent(id)}`
    await this.#busy(field("camera-save"), async () => {
      if (this.known) await ask("PATCH", path, settings)
      else await this.#addNew(path, settings)
      this.dialog.close()
      this.on.changed(id)
    })
  }

  /** PUT would change a camera that has this name already: whoever adds one doesn't mean that. */
  async #addNew(path, settings) {
    const { cameras } = await ask("GET", "/api/v1/cameras")
    if (cameras.some((camera) => path.endsWith(`/${camera.id}`))) {
      throw Object.assign(new Error(), { fields: [["id", "There is a camera with this name already."]] })
    }
    const given = Object.entries(settings).filter(([, value]) => value !== null)
    await ask("PUT", path, Object.fromEntries(given))
  }

  #askToRemove() {
    field("remove-title").textContent = `Remove ${this.known.id}?`
    field("remove-text").textContent =
      "It is no longer read, and what is known of its people is forgotten. Its settings are lost."
    field("remove-fault").hidden = true
    this.sure.showModal()
    field("remove-keep").focus()
  }

  async #remove() {
    const { id } = this.known
    try {
      await ask("DELETE", `/api/v1/cameras/${encodeURIComponent(id)}`)
    } catch (error) {
      field("remove-fault").hidden = false
      field("remove-fault").textContent = error.message
      return
    }
    this.sure.close()
    this.dialog.close()
    this.on.removed(id)
  }

  async #busy(button, work) {
    this.#fault([])
    button.disabled = true
    try {
      await work()
    } catch (error) {
      this.#fault(error.fields?.length ? error.fields : [["", error.message]])
    } finally {
      button.disabled = false
    }
  }

  /** Say each fault at its field, those of no field above; none takes all away. */
  #fault(faults) {
    const by = new Map()
    for (const [name, text] of faults) {
      const [first] = name.split(".")
      const known = FIELDS.includes(first) ? first : ""
      by.set(known, [by.get(known), known ? text : [name, text].filter(Boolean).join(": ")].filter(Boolean).join(" "))
    }
    for (const place of this.form.querySelectorAll("[data-fault]")) {
      const name = place.dataset.fault
      place.hidden = !by.has(name)
      place.textContent = by.get(name) ?? ""
      const input = name && this.form.elements[name]
      if (!input) continue
      place.id ||= `fault-${name}`
      input.setAttribute("aria-invalid", String(by.has(name)))
      input.setAttribute("aria-describedby", place.id)
    }
    const first = [...by.keys()].find((name) => name)
    if (first) this.form.elements[first].focus()
  }
}
