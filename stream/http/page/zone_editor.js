// The editor of a camera's zones, lines and masks, below its picture. The engine's errors are shown next to their fields.

import { ask } from "./api.js"
import { child, field } from "./elements.js"
import { plural } from "./words.js"
import { Edits } from "./zone_edits.js"
import { ZoneLayer } from "./zone_layer.js"
import { KINDS, merge, same, settingsOf } from "./zone_shapes.js"

const KEYS =
  "Tab goes to the points. Arrow keys move a point by 1 %, with Shift by 0.1 %. Enter adds a point after it, and " +
  "Delete deletes it."
const CORNERS = "Set the corners on the picture. To close the outline, press the first corner again."
const DRAW = {
  zones: CORNERS,
  lines: "Set the two ends of the line on the picture.",
  masks: `${CORNERS} Everything in a mask is black, for the model too.`,
}
const RESTARTS =
  "Saving restarts the camera, because a mask changed. Here, masks can only be added and made larger; to show more, " +
  "edit the configuration file."
const CHOOSE = "Choose a zone or a line here or on the picture, or draw a new one."
const CHOOSE_ZONE = "Choose a zone here or on the picture, or draw a new one."

export class ZoneEditor {
  /** Opens below the `Screen` in `parent`. Calls `on.saved()` when the engine has the changes, and `on.close()`. */
  constructor(camera, screen, parent, on) {
    this.camera = camera
    this.on = on
    this.takes = (kind) => camera.settings[kind] !== undefined // earlier engines lack some
    this.takesLines = this.takes("lines")
    this.checked = false // whether to show all faults
    this.refusals = new Map() // texts of the engine by shape and field
    this.edits = new Edits(camera.settings, () => this.#changed())
    this.form = child(parent, "form", "panel zone-editor")
    this.form.noValidate = true
    this.form.setAttribute("aria-label", `Zones of ${camera.id}`)
    this.#build()
    this.layer = new ZoneLayer(screen, this.edits, {
      say: (text) => (this.status.textContent = text),
      drawn: (coarse) => this.#drawn(coarse),
    })
    setError(this.formError, "")
    this.keys = (event) => this.#key(event)
    this.leaving = (event) => this.edits.areUnsaved && event.preventDefault()
    document.addEventListener("keydown", this.keys, true)
    addEventListener("beforeunload", this.leaving)
    this.#show()
  }

  /** Remove the editor. Changes that are not saved are lost. */
  close() {
    document.removeEventListener("keydown", this.keys, true)
    removeEventListener("beforeunload", this.leaving)
    this.layer.close()
    this.form.remove()
  }

  /** Fit the shapes to the picture. */
  update() {
    this.layer.layout()
  }

  /** Close the editor, after a question if changes would be lost. Calls `left()` if it is closed. */
  leave(left = () => {}) {
    const go = () => {
      this.on.close()
      left()
    }
    if (!this.edits.areUnsaved) return go()
    const dialog = field("discard-dialog")
    dialog.onclose = () => dialog.returnValue === "discard" && go()
    dialog.returnValue = ""
    dialog.showModal()
  }

  // -- the form -----------------------------------------------------------------------------------------------------
  #build() {
    const { form } = this
    const head = child(form, "div", "zone-head")
    child(head, "h2", "", this.takesLines ? "Zones and lines" : "Zones")
    child(head, "span", "space")
    this.undo = button(head, "Undo", () => this.edits.undo())
    this.undo.title = "Undo (Ctrl+Z)"
    button(head, "Cancel", () => this.leave()).dataset.cancel = ""
    this.save = child(head, "button", "primary", "Save")
    this.formError = child(form, "p", "error")
    this.formError.setAttribute("role", "alert")
    this.list = child(form, "div", "zone-list")
    this.list.setAttribute("role", "group")
    this.list.setAttribute("aria-label", "Zones and lines")
    this.chips = child(this.list, "span", "chips")
    this.begins = Object.keys(KINDS).map((kind) => {
      const begin = button(this.list, `+ New ${KINDS[kind].word}`, (event) => this.#begin(kind, event.detail === 0))
      begin.dataset.begin = kind
      begin.hidden = !this.takes(kind)
      return begin
    })
    this.hint = child(form, "p", "hint")
    this.restart = child(form, "p", "hint restarts", RESTARTS)
    this.restart.setAttribute("role", "status")
    this.fields = child(form, "div", "zone-fields")
    const label = child(this.fields, "label", "", "Name ")
    this.name = child(label, "input")
    Object.assign(this.name, { name: "zone-name", maxLength: 63, autocomplete: "off", spellcheck: false })
    this.name.autocapitalize = "none"
    this.name.addEventListener("input", () => this.#set({ name: this.name.value.trim() }))
    this.nameError = this.#error(this.fields, "zone-name-error", this.name)
    this.ignoreLabel = child(this.fields, "label", "check")
    this.ignore = child(this.ignoreLabel, "input")
    this.ignore.type = "checkbox"
    this.ignoreLabel.append(" Ignore people in this zone")
    this.ignore.addEventListener("change", () => this.#set({ ignore: this.ignore.checked }))
    this.outline = child(this.fields, "div", "zone-points")
    this.outline.setAttribute("role", "group")
    this.count = child(this.outline, "span", "quiet")
    this.addPoint = button(this.outline, "Add point", () => this.layer.insertAfter(this.edits.point))
    this.removePoint = button(this.outline, "Delete point", () => this.layer.remove(this.edits.point))
    this.finish = button(this.outline, "Close outline", () => this.layer.finish())
    this.remove = button(this.outline, "Delete", () => this.#remove(), "danger")
    this.outlineError = this.#error(this.fields, "zone-outline-error", this.outline)
    child(this.fields, "p", "hint zone-keys", KEYS).id = "zone-keys"
    this.status = child(form, "p", "unseen")
    this.status.setAttribute("role", "status")
    form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#save()
    })
  }

  #error(parent, id, input) {
    const place = child(parent, "p", "error")
    place.id = id
    place.setAttribute("role", "alert")
    input.setAttribute("aria-describedby", id)
    return place
  }

  #changed() {
    this.layer?.show()
    this.#show()
  }

  #show() {
    const { edits } = this
    const { shape, shapes, drawing } = edits
    this.undo.disabled = !edits.mayUndo
    this.#showChips(shapes, shape)
    for (const begin of this.begins) begin.disabled = drawing || !edits.mayAdd(begin.dataset.begin)
    this.fields.hidden = !shape
    this.hint.textContent = drawing ? DRAW[shape.kind] : shape ? "" : this.takesLines ? CHOOSE : CHOOSE_ZONE
    if (shape && shape.kind !== "masks" && edits.renamed) this.hint.textContent = `Rules that name ${shape.origin} need the new name, too.`
    this.hint.hidden = !this.hint.textContent
    this.restart.hidden = !edits.restarts
    if (shape) this.#showShape(shape, drawing)
  }

  #showChips(shapes, selected) {
    const active = document.activeElement?.dataset?.shape
    this.chips.replaceChildren(
      ...shapes.map((shape) => {
        const chip = button(null, shape.name || "no name", () => this.edits.select(shape.key), "chip-button")
        chip.dataset.shape = shape.key
        chip.setAttribute("aria-pressed", String(shape === selected))
        const faulty = this.checked && Object.values(this.#faults(shape)).some((text) => text.length)
        chip.classList.toggle("faulty", faulty)
        const notes = [shape.kind !== "zones" && KINDS[shape.kind].word, shape.ignore && "ignored", faulty && "wrong"].filter(Boolean)
        if (notes.length) child(chip, "span", "mark", ` ${notes.join(", ")}`)
        return chip
      }),
    )
    if (active) this.chips.querySelector(`[data-shape="${active}"]`)?.focus()
  }

  #showShape(shape, drawing) {
    const { kind, points } = shape
    const { word, leastPoints } = KINDS[kind]
    if (this.name.value.trim() !== shape.name) this.name.value = shape.name
    this.ignoreLabel.hidden = kind !== "zones"
    this.ignore.checked = shape.ignore
    const where = `Point ${this.edits.point + 1} of ${points.length}`
    this.count.textContent = drawing ? plural(points.length, "point") : where
    this.outline.setAttribute("aria-label", `Outline of the ${word}`)
    this.addPoint.hidden = drawing || kind === "lines"
    this.removePoint.hidden = kind === "lines" && !drawing
    this.removePoint.disabled = points.length <= (drawing ? 0 : leastPoints)
    this.finish.hidden = !drawing || kind === "lines"
    this.finish.disabled = points.length < leastPoints
    this.remove.textContent = `Delete ${word}`
    const faults = this.#faults(shape)
    const shown = !drawing || this.checked
    setError(this.nameError, faults.name)
    setError(this.outlineError, shown ? faults.points : "")
    this.name.setAttribute("aria-invalid", String(Boolean(faults.name)))
  }

  /** Returns {name, points} of what is wrong with a shape, here or for the engine. */
  #faults(shape) {
    const { name, points } = this.edits.faults(shape)
    const refused = this.refusals.get(shape.key)
    return { name: name || (refused?.name ?? ""), points: points || (refused?.points ?? "") }
  }

  // -- the user's input ---------------------------------------------------------------------------------------------
  #begin(kind, ready) {
    this.edits.begin(kind, ready)
    if (ready) this.layer.focusPoint(0)
    else this.layer.svg.focus({ preventScroll: true })
  }

  #set(change) {
    this.refusals.delete(this.edits.shape.key)
    this.edits.set(change)
  }

  #drawn(coarse) {
    if (coarse) return // the keyboard of a phone would hide the picture
    this.name.focus({ preventScroll: true })
    this.name.select()
  }

  #remove() {
    this.status.textContent = `${this.edits.shape.name} deleted`
    this.edits.removeShape()
    this.list.querySelector("button")?.focus()
  }

  /** The editor's keys, before those of the page. */
  #key(event) {
    if (document.querySelector("dialog[open]")) return
    const typing = event.target.matches("input")
    if (event.key === "Escape") {
      if (this.layer.cancelDrag()) this.status.textContent = "Drag cancelled"
      else if (this.edits.drawing) this.#discardDrawing()
      else this.leave()
    } else if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing) this.edits.undo()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  #discardDrawing() {
    const { kind } = this.edits.shape
    this.edits.removeShape()
    this.begins.find((begin) => begin.dataset.begin === kind).focus()
  }

  // -- saving -------------------------------------------------------------------------------------------------------
  async #save() {
    this.edits.finish()
    this.checked = true
    this.refusals.clear()
    setError(this.formError, "")
    const wrong = this.edits.shapes.find((shape) => Object.values(this.#faults(shape)).some((text) => text))
    if (wrong) return this.#point(wrong)
    this.save.disabled = true
    try {
      await this.#send()
    } catch (error) {
      this.#refused(error)
    } finally {
      this.save.disabled = false
    }
  }

  /** The engine replaces all zones, so those that others have changed meanwhile are read and merged first. */
  async #send() {
    const path = `/api/v1/cameras/${encodeURIComponent(this.camera.id)}`
    const { settings: latest } = await ask("GET", path)
    const { shapes, texts } = merge(this.edits.shapes, this.edits.base, latest)
    if (!same(shapes, this.edits.shapes) || texts.length) this.edits.rebase(shapes, latest)
    else this.edits.base = latest
    if (texts.length) return setError(this.formError, texts.join(" "))
    const twin = shapes.find((shape) => this.edits.faults(shape).name)
    if (twin) return this.#point(twin)
    const changes = Object.keys(KINDS)
      .map((kind) => [kind, settingsOf(shapes, kind)])
      .filter(([kind, now]) => latest[kind] !== undefined && !same(now, latest[kind]))
    const saved = changes.length ? (await ask("PATCH", path, Object.fromEntries(changes))).settings : latest
    this.camera.settings = saved // an editor that is opened before the page asks for them again begins with them
    this.on.saved()
  }

  /** Show an error of the engine: next to its field, if it names one. */
  #refused(error) {
    const others = []
    for (const [name, text] of error.fields ?? []) {
      const [kind, of, part] = name.split(".")
      const shape = this.edits.shapes.find((one) => one.kind === kind && one.name === of)
      if (!shape) others.push(`${name}: ${text}`)
      else {
        const place = part === "[key]" ? "name" : "points"
        this.refusals.set(shape.key, { ...this.refusals.get(shape.key), [place]: text })
      }
    }
    const [first] = this.refusals.keys()
    setError(this.formError, others.join(" ") || (first ? "" : error.message))
    if (first) this.#point(this.edits.shapes.find(({ key }) => key === first))
  }

  /** Select a shape and focus what is wrong with it. */
  #point(shape) {
    this.edits.select(shape.key)
    this.#changed()
    if (this.#faults(shape).name) this.name.focus()
    else this.layer.focusPoint(0)
  }
}

/** Returns a new button, appended to `parent` unless it is null. */
function button(parent, text, act, name = "") {
  const element = parent ? child(parent, "button", name, text) : document.createElement("button")
  if (!parent) Object.assign(element, { className: name, textContent: text })
  element.type = "button"
  element.addEventListener("click", act)
  return element
}

function setError(place, text) {
  place.hidden = !text
  if (place.textContent !== text) place.textContent = text
}
