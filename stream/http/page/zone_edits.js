// The zones, lines and masks being edited: the shapes, the selection, and steps back. It knows no elements of the page.

import { KINDS, MOST_SHAPES, areChanged, areMasksChanged, edgesOf, faultsOf, middle, shapeOf, shapesOf, within } from "./zone_shapes.js"

const MOST_STEPS = 200
const SQUARE = [
  [0.35, 0.35],
  [0.65, 0.35],
  [0.65, 0.65],
  [0.35, 0.65],
]
const FIRST = {
  zones: SQUARE,
  masks: SQUARE,
  lines: [
    [0.35, 0.5],
    [0.65, 0.5],
  ],
}

export class Edits {
  /** `settings`: of the camera, {zones, lines, masks}. Calls `changed()` after each change. */
  constructor(settings, changed) {
    this.changed = changed
    this.base = settings
    this.state = { shapes: shapesOf(settings), selected: null, drawing: false, point: 0 }
    this.steps = []
    this.step = ""
  }

  get shapes() {
    return this.state.shapes
  }

  /** The selected shape, or undefined. */
  get shape() {
    return this.shapes.find(({ key }) => key === this.state.selected)
  }

  /** Whether points are being added to the selected shape. */
  get drawing() {
    return this.state.drawing
  }

  /** The number of the point that was used last. */
  get point() {
    return Math.min(this.state.point, (this.shape?.points.length ?? 1) - 1)
  }

  get areUnsaved() {
    return areChanged(this.shapes, this.base)
  }

  /** Whether saving restarts the camera. */
  get restarts() {
    return areMasksChanged(this.shapes, this.base)
  }

  /** Whether the selected shape has another name than in the engine. */
  get renamed() {
    return Boolean(this.shape?.origin) && this.shape.name !== this.shape.origin
  }

  faults(shape) {
    return faultsOf(shape, this.shapes)
  }

  select(key, point = 0) {
    if (key === this.state.selected && point === this.state.point) return
    if (key !== this.state.selected) this.step = ""
    this.#show({ selected: key, point, drawing: this.drawing && key === this.state.selected })
  }

  /** Whether another shape of this kind is allowed. */
  mayAdd(kind) {
    return this.shapes.filter((shape) => shape.kind === kind).length < MOST_SHAPES
  }

  /** Add a shape: one without points, to be drawn, or `ready` with points in the middle of the picture. */
  begin(kind, ready) {
    const { word } = KINDS[kind]
    let number = 1
    while (this.shapes.some((shape) => shape.kind === kind && shape.name === `${word}-${number}`)) number++
    const shape = shapeOf(kind, `${word}-${number}`, ready ? FIRST[kind] : [])
    this.#take({ shapes: [...this.shapes, shape], selected: shape.key, drawing: !ready, point: 0 })
  }

  /** Add a point to the shape being drawn, which ends with the last one that is allowed. `step` as for `move`. */
  add(point, step) {
    const { points, kind } = this.shape
    if (points.length >= KINDS[kind].mostPoints) return
    const drawing = points.length + 1 < KINDS[kind].mostPoints
    this.#change({ points: [...points, within(point)] }, { point: points.length, drawing }, step)
  }

  /** End drawing. A shape without points is removed. */
  finish() {
    if (!this.drawing) return
    if (this.shape.points.length === 0) this.removeShape()
    else this.#show({ drawing: false, point: 0 })
  }

  /** Move a point. Moves with the same `step` are undone together. */
  move(index, point, step) {
    const points = this.shape.points.map((one, at) => (at === index ? within(point) : one))
    this.#change({ points }, { point: index }, step)
  }

  /** Insert a point after another, by default in the middle of the edge. Returns whether it is allowed. */
  insert(index, point, step) {
    const { points, kind } = this.shape
    if (points.length >= KINDS[kind].mostPoints) return false
    const edge = edgesOf(this.shape)[index]
    const added = point ? within(point) : middle(...edge)
    this.#change({ points: points.toSpliced(index + 1, 0, added) }, { point: index + 1 }, step)
    return true
  }

  /** Remove a point. Returns whether it is allowed: a shape needs some. */
  removePoint(index) {
    const { points, kind } = this.shape
    if (!points.length || (!this.drawing && points.length <= KINDS[kind].leastPoints)) return false
    this.#change({ points: points.toSpliced(index, 1) }, { point: Math.max(0, Math.min(index, points.length - 2)) })
    return true
  }

  /** Change the name or `ignore`. */
  set(change) {
    this.#change(change, {}, `${Object.keys(change)}:${this.state.selected}`)
  }

  removeShape() {
    this.#take({
      shapes: this.shapes.filter((shape) => shape !== this.shape),
      selected: null,
      drawing: false,
      point: 0,
    })
  }

  get mayUndo() {
    return this.steps.length > 0
  }

  undo() {
    if (!this.mayUndo) return
    this.state = this.steps.pop()
    this.step = ""
    this.changed()
  }

  /** Continue with merged shapes, which are based on these settings. Earlier steps lack the changes of others. */
  rebase(shapes, settings) {
    this.base = settings
    this.steps = []
    this.#show({ shapes })
  }

  #change(change, rest, step) {
    const shapes = this.shapes.map((shape) => (shape === this.shape ? { ...shape, ...change } : shape))
    this.#take({ shapes, ...rest }, step)
  }

  #take(change, step = "") {
    if (!step || step !== this.step) this.steps.push(this.state)
    if (this.steps.length > MOST_STEPS) this.steps.shift()
    this.step = step
    this.#show(change)
  }

  #show(change) {
    this.state = { ...this.state, ...change }
    this.changed()
  }
}
