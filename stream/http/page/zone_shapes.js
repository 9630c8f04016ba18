// Zones and lines as shapes: their rules, and merging with changes made elsewhere. Points are shares of the picture.

export const MOST_POINTS = 32
export const MOST_SHAPES = 32 // of each kind
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const LEAST_AREA = 1e-5
const LEAST_LENGTH = 0.01
const DIGITS = 1e4 // finer than a pixel

/** The kinds. `leastPoints` and `mostPoints` are inclusive. */
export const KINDS = {
  zones: { word: "zone", leastPoints: 3, mostPoints: MOST_POINTS },
  lines: { word: "line", leastPoints: 2, mostPoints: 2 },
  masks: { word: "mask", leastPoints: 3, mostPoints: MOST_POINTS },
}

let keys = 0

/** Returns a shape. `origin` is its name in the engine, and `config` its settings there; null and {} if it is new. */
export function shapeOf(kind, name, points, ignore = false, origin = null, config = {}) {
  return { key: ++keys, kind, name, points, ignore, origin, config }
}

const known = (kind, name, config) => shapeOf(kind, name, config.points, config.ignore ?? false, name, config)

/** Returns the shapes in a camera's settings. */
export const shapesOf = (settings) =>
  Object.keys(KINDS).flatMap((kind) =>
    Object.entries(settings[kind] ?? {}).map(([name, config]) => known(kind, name, config)),
  )

/** Returns a shape's settings as the engine takes them. */
export const configOf = ({ kind, config, points, ignore }) =>
  kind === "zones" ? { ...config, points, ignore } : { ...config, points }

/** Returns the settings of all shapes of a kind, by name. */
export const settingsOf = (shapes, kind) =>
  Object.fromEntries(shapes.filter((shape) => shape.kind === kind).map((shape) => [shape.name, configOf(shape)]))

/** Whether a shape is new, or differs from the engine's. */
export const isChanged = (shape) => shape.name !== shape.origin || !same(configOf(shape), shape.config)

/** Whether the masks differ from the camera's settings. */
export const areMasksChanged = (shapes, settings) => !same(settingsOf(shapes, "masks"), settings.masks ?? {})

/** Whether the shapes differ from the camera's settings. */
export const areChanged = (shapes, settings) => shapes.some(isChanged) || shapes.length !== shapesOf(settings).length

export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other)

/** Returns a point within the picture, rounded. */
export const within = (point) => point.map((share) => Math.round(Math.min(1, Math.max(0, share)) * DIGITS) / DIGITS)

export const middle = ([x1, y1], [x2, y2]) => within([(x1 + x2) / 2, (y1 + y2) / 2])

/** Returns the edges [first, second] of a shape; those of a zone are closed. */
export const edgesOf = ({ kind, points }) =>
  points
    .map((point, index) => [point, points[(index + 1) % points.length]])
    .slice(0, kind === "lines" ? 1 : points.length)

/** Whether a point is inside a polygon. */
export const contains = (points, [x, y]) =>
  edgesOf({ points }).filter(([[x1, y1], [x2, y2]]) => y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1))
    .length %
    2 ===
  1

/** Returns {name, points, edges}: what is wrong with a shape's name and outline (texts or ""), and with which edges. */
export function faultsOf(shape, shapes) {
  const { kind, name, key } = shape
  const { word } = KINDS[kind]
  const twin = shapes.some((other) => other.kind === kind && other.key !== key && other.name === name)
  const outline = outlineFault(shape)
  return {
    name: !name
      ? `The ${word} needs a name.`
      : !NAME.test(name)
        ? "Use a-z, 0-9, - and _, and begin with a letter or digit."
        : twin
          ? `Another ${word} has this name.`
          : "",
    points: outline.text,
    edges: outline.edges,
  }
}

function outlineFault({ kind, points }) {
  const fault = (text, edges = []) => ({ text, edges })
  if (kind === "lines") {
    if (points.length < 2) return fault("A line needs two points.")
    const [[x1, y1], [x2, y2]] = points
    if (Math.hypot(x2 - x1, y2 - y1) < LEAST_LENGTH) return fault("The two points are too close together.")
    const atEdge = [x1 === x2 && x1, y1 === y2 && y1].some((share) => share === 0 || share === 1)
    return fault(atEdge ? "The line is the edge of the picture, which people cannot be seen to cross." : "")
  }
  const { word, leastPoints, mostPoints } = KINDS[kind]
  if (points.length < leastPoints) return fault(`A ${word} needs at least three points.`)
  if (points.length > mostPoints) return fault(`A ${word} has at most ${mostPoints} points.`)
  const crossing = crossingEdges(points)
  if (crossing.length)
    return fault("The outline crosses or touches itself. Move the points of the red edges.", crossing)
  return fault(area(points) < LEAST_AREA ? `The ${word} has almost no area.` : "")
}

/** Returns the numbers of the edges that cross or touch others. Edge n begins at point n. */
export function crossingEdges(points) {
  const edges = edgesOf({ points })
  const found = new Set()
  edges.forEach((one, first) => {
    for (let second = first + 1; second < edges.length; second++) {
      const next = second === first + 1
      const last = first === 0 && second === edges.length - 1
      const other = edges[second]
      const wrong = next ? foldsBack(one[0], other) : last ? foldsBack(other[0], one) : touch(one, other)
      if (wrong) found.add(first).add(second)
    }
  })
  return [...found].sort((a, b) => a - b)
}

/** Twice the area to the left of the way from `a` over `b` to `c`. */
const turn = ([x1, y1], [x2, y2], [x3, y3]) => (x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)

/** Whether the way from `a` over an edge turns back onto itself. */
const foldsBack = (a, [b, c]) =>
  same(a, b) ||
  same(b, c) ||
  (Math.abs(turn(a, b, c)) < 1e-12 && (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0)

function touch([a, b], [c, d]) {
  const sides = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)].map((one) =>
    Math.abs(one) < 1e-12 ? 0 : one,
  )
  const on = ([p, q], [x, y]) =>
    x >= Math.min(p[0], q[0]) && x <= Math.max(p[0], q[0]) && y >= Math.min(p[1], q[1]) && y <= Math.max(p[1], q[1])
  if (sides[0] * sides[1] < 0 && sides[2] * sides[3] < 0) return true
  const tests = [
    [[a, b], c],
    [[a, b], d],
    [[c, d], a],
    [[c, d], b],
  ]
  return tests.some(([edge, point], index) => sides[index] === 0 && on(edge, point))
}

const area = (points) =>
  Math.abs(edgesOf({ points }).reduce((sum, [[x1, y1], [x2, y2]]) => sum + x1 * y2 - x2 * y1, 0)) / 2

/**
 * Merges shapes that were edited from the settings `base` with the camera's `latest` settings. Returns the merged
 * shapes, and a text for each one that was changed on both sides: the edited one is kept, and replaces the other if it is
 * saved.
 */
export function merge(shapes, base, latest) {
  const texts = []
  const merged = shapes.flatMap((shape) => {
    const { kind, key, origin } = shape
    if (origin === null) return [shape]
    const now = latest[kind]?.[origin]
    if (same(now, base[kind]?.[origin])) return [shape]
    if (!isChanged(shape)) return now ? [{ ...known(kind, origin, now), key }] : []
    texts.push(
      now
        ? `${origin} was changed by someone else. Save again to replace that change.`
        : `${origin} was deleted by someone else. Save again to keep your ${KINDS[kind].word}.`,
    )
    return [now ? { ...shape, config: now } : { ...shape, origin: null, config: {} }]
  })
  const edited = new Set(shapes.map(({ kind, origin }) => `${kind}/${origin}`))
  for (const shape of shapesOf(latest)) {
    const { kind, name, config } = shape
    if (edited.has(`${kind}/${name}`)) continue
    const before = base[kind]?.[name]
    if (same(before, config)) continue // deleted here
    if (before) texts.push(`${name}, which you deleted, was changed by someone else. Delete it again if it is to go.`)
    merged.push(shape)
  }
  return { shapes: merged, texts }
}
