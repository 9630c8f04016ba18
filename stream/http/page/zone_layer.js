// The shapes being edited, over the picture: drawn, dragged, and moved with the keyboard. Sizes are in CSS pixels.

import { plural } from "./words.js"
import { KINDS, contains, edgesOf, middle, within } from "./zone_shapes.js"
import { leftOf } from "./zone_overlay.js"

const SPACE = "http://www.w3.org/2000/svg"
const REACH = { fine: 11, coarse: 24 } // to a point
const EDGE_REACH = { fine: 7, coarse: 16 }
const STILL = { fine: 3, coarse: 8 } // smaller movements move no point
const SNAP = 7 // to the picture's edge
const STEP = 0.01
const FINE_STEP = 0.001
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

export class ZoneLayer {
  /**
   * Shows the `edits` over a `Screen`. Calls `on.say(text)` to announce a change, and `on.drawn(coarse)` after drawing,
   * with whether it was drawn by touch.
   */
  constructor(screen, edits, on) {
    this.screen = screen
    this.edits = edits
    this.on = on
    this.size = [1, 1]
    this.drag = null
    this.drags = 0
    this.hover = null
    this.handles = []
    this.svg = element("svg", {
      class: "zone-layer",
      tabindex: -1,
      role: "group",
      "aria-label": "Zones over the picture",
    })
    const hatch = element("pattern", { id: "hatch", width: 9, height: 9, patternUnits: "userSpaceOnUse" })
    hatch.setAttribute("patternTransform", "rotate(45)")
    hatch.append(element("rect", { width: 9, height: 9, class: "shade" }), element("path", { d: "M0 0V9" }))
    this.shapes = element("g", { "aria-hidden": true })
    this.guide = element("path", { class: "guide" })
    this.middles = element("g", { "aria-hidden": true })
    this.points = element("g")
    this.svg.append(hatch, this.shapes, this.guide, this.middles, this.points)
    for (const [name, act] of [
      ["pointerdown", this.#down],
      ["pointermove", this.#move],
      ["pointerup", this.#up],
      ["pointercancel", this.#cancelled],
      ["pointerleave", this.#left],
      ["keydown", this.#key],
    ]) {
      this.svg.addEventListener(name, (event) => act.call(this, event))
    }
    screen.element.append(this.svg)
    this.sizes = new ResizeObserver(() => this.layout())
    this.sizes.observe(screen.element)
    this.layout()
  }

  close() {
    this.sizes.disconnect()
    this.svg.remove()
  }

  /** Fit the layer to the picture. */
  layout() {
    const { canvas, element: box } = this.screen
    const shown = canvas.drawn?.place
    const scale = canvas.width / (canvas.clientWidth || 1) || 1
    const place = shown
      ? { x: shown.x / scale, y: shown.y / scale, width: shown.width / scale, height: shown.height / scale }
      : { x: 0, y: 0, width: box.clientWidth, height: box.clientHeight }
    Object.assign(this.svg.style, {
      left: `${place.x}px`,
      top: `${place.y}px`,
      width: `${place.width}px`,
      height: `${place.height}px`,
    })
    this.size = [place.width || 1, place.height || 1]
    this.svg.setAttribute("viewBox", `0 0 ${this.size.join(" ")}`)
    this.show()
  }

  /** Draw all shapes. */
  show() {
    const { edits } = this
    const { shape: selected, drawing } = edits
    const others = edits.shapes.filter((shape) => shape !== selected)
    this.shapes.replaceChildren(...[...others, ...(selected ? [selected] : [])].flatMap((shape) => this.#draw(shape)))
    this.svg.classList.toggle("drawing", drawing)
    this.#showGuide()
    this.#showMiddles()
    this.#showPoints()
  }

  focusPoint(index) {
    this.handles[index]?.focus({ preventScroll: true })
  }

  /** End the drag and return the points to their places. Returns false if nothing is dragged. */
  cancelDrag() {
    if (!this.drag) return false
    if (this.drag.moved || this.drag.added) this.edits.undo() // both are one step
    this.drag = null
    return true
  }

  // -- drawing ----------------------------------------------------------------------------------------------------
  #at = ([x, y]) => [x * this.size[0], y * this.size[1]]

  #draw(shape) {
    const { kind, name, ignore } = shape
    const selected = shape === this.edits.shape
    const faults = this.edits.faults(shape)
    const points = shape.points.map(this.#at)
    const open = selected && this.edits.drawing
    const path = `M${points.map((point) => point.join(" ")).join("L")}${kind === "lines" || open ? "" : "Z"}`
    const classes = ["shape", kind, selected && "selected", ignore && "ignored", open && "open"]
      .filter(Boolean)
      .join(" ")
    const drawn = points.length
      ? [element("path", { d: path, class: `${classes} casing` }), element("path", { d: path, class: classes })]
      : []
    if (kind === "lines" && points.length === 2) drawn.push(element("path", { d: arrow(points), class: classes }))
    if (!open) for (const index of faults.edges) drawn.push(this.#edge(shape, index))
    if (kind === "lines" && points.length === 2 && selected) {
      drawn.push(
        this.#text("left", this.#beside(points, 1), "side"),
        this.#text("right", this.#beside(points, -1), "side"),
      )
    } else if (points.length > 1 && !selected) {
      const place = kind === "lines" ? this.#beside(points, 1) : centre(points)
      drawn.push(this.#text(ignore ? `${name} · ignored` : name, place, "name"))
    }
    return drawn
  }

  #edge(shape, index) {
    const [[x1, y1], [x2, y2]] = edgesOf(shape)[index].map(this.#at)
    return element("line", { x1, y1, x2, y2, class: "wrong" })
  }

  #text(text, [x, y], name) {
    const node = element("text", { x, y, class: name })
    node.textContent = text
    return node
  }

  #beside(points, side) {
    const [across, down] = leftOf(points)
    const [[x1, y1], [x2, y2]] = points
    return [(x1 + x2) / 2 + side * across * 26, (y1 + y2) / 2 + side * down * 16]
  }

  /** While drawing, show the edge that the next click adds. */
  #showGuide() {
    const { shape, drawing } = this.edits
    const shown = drawing && this.hover && shape.points.length > 0
    const last = shown && this.#at(shape.points.at(-1))
    this.guide.setAttribute("d", shown ? `M${last.join(" ")}L${this.#at(this.hover).join(" ")}` : "")
  }

  #showMiddles() {
    const { shape, drawing } = this.edits
    const edges = shape && !drawing && this.#mayInsert() ? edgesOf(shape) : []
    const long = edges.filter((edge) => distance(...edge.map(this.#at)) > 3 * REACH.fine)
    this.middles.replaceChildren(
      ...long.map((edge) => {
        const [cx, cy] = this.#at(middle(...edge))
        return element("circle", { cx, cy, r: 3.5, class: "middle" })
      }),
    )
  }

  #showPoints() {
    const { shape, point: used, drawing } = this.edits
    const points = shape?.points ?? []
    while (this.handles.length > points.length) this.handles.pop().remove()
    while (this.handles.length < points.length) this.#addHandle()
    points.forEach((point, index) => {
      const handle = this.handles[index]
      const [x, y] = this.#at(point)
      handle.setAttribute("transform", `translate(${x} ${y})`)
      handle.setAttribute("aria-label", `Point ${index + 1} of ${points.length} of ${shape.name}, ${placeWords(point)}`)
      handle.classList.toggle("used", index === used)
      handle.classList.toggle("first", index === 0 && drawing && points.length >= KINDS[shape.kind].leastPoints)
    })
  }

  #addHandle() {
    const handle = element("g", { class: "point", tabindex: 0, role: "button", "aria-describedby": "zone-keys" })
    handle.append(element("circle", { r: REACH.fine + 1, class: "halo" }), element("circle", { r: 5.5, class: "dot" }))
    const index = this.handles.length
    handle.addEventListener("focus", () => this.edits.select(this.edits.shape.key, index))
    this.handles.push(handle)
    this.points.append(handle)
  }

  // -- mouse and touch ----------------------------------------------------------------------------------------------
  #share({ clientX, clientY }) {
    const box = this.svg.getBoundingClientRect()
    return [(clientX - box.left) / this.size[0], (clientY - box.top) / this.size[1]]
  }

  #down(event) {
    if (event.button !== 0 || this.drag) return
    const { edits } = this
    const width = event.pointerType === "mouse" ? "fine" : "coarse"
    const at = this.#share(event)
    const { drawing } = edits
    const step = `drag ${++this.drags}`
    let index = this.#pointNear(at, REACH[width])
    const added = index < 0
    event.preventDefault() // the focus moves as below
    if (drawing && index === 0 && edits.shape.points.length >= KINDS[edits.shape.kind].leastPoints) {
      return this.#finish(width)
    }
    if (drawing && added) {
      edits.add(this.#snapped(at), step)
      index = edits.point
    } else if (added) {
      const edge = this.#edgeNear(at, EDGE_REACH[width])
      if (edge < 0) return this.#select(at, EDGE_REACH[width])
      index = edge + 1
      edits.insert(edge, at, step)
    }
    this.svg.setPointerCapture(event.pointerId)
    const begin = edits.shape.points[index]
    this.drag = { id: event.pointerId, index, from: at, begin, added, moved: false, width, drawing, step }
    if (drawing) this.svg.focus({ preventScroll: true })
    else this.focusPoint(index)
    edits.select(edits.shape.key, index)
  }

  #move(event) {
    const at = this.#share(event)
    this.hover = event.pointerType === "mouse" ? within(at) : null
    if (this.edits.drawing) this.#showGuide()
    const { drag } = this
    if (!drag || event.pointerId !== drag.id) return
    if (!drag.moved && distance(this.#at(at), this.#at(drag.from)) < STILL[drag.width]) return
    drag.moved = true
    const point = [0, 1].map((axis) => drag.begin[axis] + at[axis] - drag.from[axis])
    this.edits.move(drag.index, this.#snapped(point), drag.step)
  }

  #up(event) {
    const { drag } = this
    if (!drag || event.pointerId !== drag.id) return
    this.drag = null
    if (drag.drawing && !this.edits.drawing) this.on.drawn(drag.width === "coarse") // with its last point
  }

  #cancelled() {
    this.cancelDrag()
  }

  #left() {
    this.hover = null
    this.#showGuide()
  }

  #finish(width) {
    this.edits.finish()
    this.on.drawn(width === "coarse")
  }

  #snapped(point) {
    return point.map((share, axis) => {
      const pixels = share * this.size[axis]
      return pixels < SNAP ? 0 : pixels > this.size[axis] - SNAP ? 1 : share
    })
  }

  #pointNear(at, reach) {
    const distances = (this.edits.shape?.points ?? []).map((point) => distance(this.#at(point), this.#at(at)))
    const nearest = Math.min(...distances)
    return nearest <= reach ? distances.indexOf(nearest) : -1
  }

  #mayInsert() {
    const { kind, points } = this.edits.shape
    return points.length < KINDS[kind].mostPoints
  }

  #edgeNear(at, reach) {
    const { shape } = this.edits
    if (!shape || !this.#mayInsert()) return -1
    return nearestEdge(
      edgesOf(shape).map((edge) => edge.map(this.#at)),
      this.#at(at),
      reach,
    )
  }

  /** Select the shape here: the nearest line, otherwise the smallest zone. */
  #select(at, reach) {
    const { edits } = this
    const near = (shape) =>
      nearestEdge(
        edgesOf(shape).map((edge) => edge.map(this.#at)),
        this.#at(at),
        reach,
      ) >= 0
    const found =
      edits.shapes.find((shape) => shape.kind === "lines" && near(shape)) ??
      edits.shapes
        .filter((shape) => shape.kind !== "lines" && contains(shape.points, at))
        .sort((a, b) => extent(a) - extent(b))[0] ??
      edits.shapes.find(near)
    edits.select(found?.key ?? null)
  }

  // -- keyboard -----------------------------------------------------------------------------------------------------
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const { edits } = this
    const index = this.handles.indexOf(event.target)
    if (event.key in ARROWS && index >= 0) this.#step(index, ARROWS[event.key], event.shiftKey)
    else if ((event.key === "Enter" || event.key === "Insert") && index >= 0 && !edits.drawing) this.insertAfter(index)
    else if (event.key === "Enter" && edits.drawing) this.finish()
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(index < 0 ? edits.point : index)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  #step(index, [across, down], fine) {
    const step = fine ? FINE_STEP : STEP
    const [x, y] = this.edits.shape.points[index]
    this.edits.move(index, [x + across * step, y + down * step], `keys ${index}`)
    this.on.say(`Point ${index + 1}: ${placeWords(this.edits.shape.points[index])}`)
  }

  /** Insert a point in the middle of the edge after a point, and focus it. */
  insertAfter(index) {
    if (!this.edits.insert(index))
      return this.on.say(`A ${KINDS[this.edits.shape.kind].word} has no room for another point.`)
    this.focusPoint(index + 1)
    this.on.say(`Point ${index + 2} added`)
  }

  /** Remove a point, and focus its neighbour. */
  remove(index) {
    const { shape } = this.edits
    if (!shape) return
    const { word, leastPoints } = KINDS[shape.kind]
    if (!this.edits.removePoint(index)) {
      if (shape.points.length)
        this.on.say(`A ${word} has at least ${plural(leastPoints, "point")}. You can delete the ${word}.`)
      return
    }
    if (!this.edits.drawing) this.focusPoint(this.edits.point)
    this.on.say(`Point ${index + 1} deleted`)
  }

  /** End drawing, if the shape has enough points. */
  finish() {
    const { kind, points } = this.edits.shape
    const { word, leastPoints } = KINDS[kind]
    if (points.length < leastPoints) return this.on.say(`A ${word} needs at least ${plural(leastPoints, "point")}.`)
    this.#finish("fine")
  }
}

const distance = ([x1, y1], [x2, y2]) => Math.hypot(x2 - x1, y2 - y1)

function nearestEdge(edges, at, reach) {
  const distances = edges.map(([a, b]) => {
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]]
    const along = ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / (dx * dx + dy * dy || 1)
    const share = Math.min(1, Math.max(0, along))
    return distance(at, [a[0] + share * dx, a[1] + share * dy])
  })
  const nearest = Math.min(...distances)
  return nearest <= reach ? distances.indexOf(nearest) : -1
}

function extent({ points }) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
  return (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys))
}

const centre = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length)

function arrow([[x1, y1], [x2, y2]]) {
  const angle = Math.atan2(y2 - y1, x2 - x1)
  const wing = (turn) => `${x2 - 14 * Math.cos(angle + turn)} ${y2 - 14 * Math.sin(angle + turn)}`
  return `M${wing(0.45)}L${x2} ${y2}L${wing(-0.45)}`
}

const placeWords = ([x, y]) => `${share(x)} from the left, ${share(y)} from the top`

const share = (value) => `${Number((value * 100).toFixed(1))} %`

function element(name, attributes = {}) {
  const node = document.createElementNS(SPACE, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}
