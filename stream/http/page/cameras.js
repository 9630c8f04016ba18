// The state of a camera, from the engine's messages. Everything is bounded.

import { LatestLooks } from "./detector_overlay.js"

const MAX_RESULTS = 96 // 4 s at 25 fps, longer than a picture waits for its result
const SAME_US = 100
const MAX_SAMPLES = 12 // of stats, for drops
const RATE_SAMPLES = 6 // for rates
const MAX_TRACKS = 48
const MAX_SPANS = 160 // per track
const TIMELINE_US = 180e6
const LOST_AFTER_US = 2e6 // a track ends this long after the last detection, as in the engine
const GAP_US = 2.5e6 // a person not seen for longer has a gap in the timeline
const GUESSED_AFTER_US = 0.6e6 // without a detection; then its box is drawn as a guess
const INTENTIONAL = new Set(["rate_limited", "epoch_ended", "shutdown"]) // drops that are not overload
const MIN_SAMPLES = 4 // before drops are judged
const MANY_DROPS = 0.2 // of frames

export class Camera {
  constructor(view) {
    this.id = view.id
    this.run = ""
    /** The connection to its engine; null while the page has none. */
    this.engine = null
    this.heard = this.lost = null
    this.take(view)
    this.#reset()
  }

  /** Take the camera's settings and status from the list of cameras. */
  take({ settings, status, privacy }) {
    this.settings = settings
    this.listed = status
    if (!this.heard) this.privacy = privacy
  }

  /** Take the connection to its engine, and a status that says why nothing comes from there: null if it does. */
  follow(engine, lost) {
    this.engine = engine
    this.lost = lost
    if (engine) return
    this.heard = null
    this.samples = []
  }

  /** What to show: why the page gets nothing, or what the engine has said last, or what the list says. */
  get status() {
    const known = this.heard ?? this.listed
    return known.reason === "disabled" ? known : (this.lost ?? known)
  }

  #reset() {
    this.results = new Map()
    this.looks = new LatestLooks()
    this.latest = null
    this.tracks = new Map()
    this.lastSeen = new Map()
    this.seqs = {}
    this.samples = []
    this.load = null
    this.ageMs = null
    this.peopleAtMs = performance.now()
  }

  /** Returns false for a repeated or outdated message. */
  isNew(kind, message) {
    if (message.run !== this.run) {
      this.run = message.run
      this.#reset()
    }
    const last = this.seqs[kind]
    if (last && last.epoch === message.epoch && message.seq <= last.seq) return false
    this.seqs[kind] = { epoch: message.epoch, seq: message.seq }
    return true
  }

  addStatus(status) {
    const { state, reason, message, at_us, epoch, clock, size } = status
    this.privacy = status.privacy ?? "off"
    this.heard = { state, reason, message, at_us, epoch, clock, size: size ?? this.heard?.size }
    if (state !== "live") this.samples = []
  }

  /** Take the camera's part of the engine's statistics, and the engine's load. */
  addStats(stats, atUs, load) {
    const { decoded, processed, dropped } = stats
    this.load = load
    this.samples.push({ atUs, decoded, processed, dropped, level: load.ease_level })
    if (this.samples.length > MAX_SAMPLES) this.samples.shift()
    const known = this.heard ?? this.listed
    if (known.state !== stats.state && stats.state !== "ended") this.heard = { ...known, state: stats.state }
  }

  addResult(result) {
    result.looks = this.looks.add(result)
    if (this.latest && this.latest.epoch !== result.epoch) {
      this.tracks.clear()
      this.lastSeen.clear()
    }
    this.latest = result
    this.results.set(`${result.epoch}:${result.frame}`, result)
    if (this.results.size > MAX_RESULTS) this.results.delete(this.results.keys().next().value)
    if (result.people.length) this.peopleAtMs = performance.now()
    if (result.clock !== "media") {
      const ms = (result.published_us - result.capture_us) / 1000
      this.ageMs = this.ageMs === null ? ms : this.ageMs + 0.1 * (ms - this.ageMs)
    }
    for (const person of result.people) {
      const us = result.capture_us
      const detectedUs = person.detected === false ? (this.lastSeen.get(person.track)?.detectedUs ?? us) : us
      person.guessed = us - detectedUs > GUESSED_AFTER_US
      this.lastSeen.set(person.track, { person, us, detectedUs })
      this.#addToTimeline(person, result.capture_us)
    }
    for (const [track, { us }] of this.lastSeen) if (result.capture_us - us > LOST_AFTER_US) this.lastSeen.delete(track)
  }

  resultOf(epoch, frame) {
    return this.results.get(`${epoch}:${frame}`)
  }

  /** Returns the result of the frame at this media time. RTP times are rounded. */
  resultAt(epoch, mediaUs) {
    for (const result of this.results.values()) {
      if (result.epoch === epoch && Math.abs(result.media_time_us - mediaUs) < SAME_US) return result
    }
  }

  #addToTimeline(person, us) {
    const track = this.tracks.get(person.track) ?? { id: person.track, spans: [], seenUs: us }
    this.tracks.delete(person.track)
    this.tracks.set(person.track, track) // the one seen most recently comes last
    if (this.tracks.size > MAX_TRACKS) this.tracks.delete(this.tracks.keys().next().value)
    const label = person.action?.label
    const last = track.spans.at(-1)
    if (label && last?.label === label && us - last.endUs < GAP_US) last.endUs = us
    else if (label) track.spans.push({ label, beginUs: last && us - last.endUs < GAP_US ? last.endUs : us, endUs: us })
    track.seenUs = us
    while (track.spans.length && (track.spans.length > MAX_SPANS || track.spans[0].endUs < us - TIMELINE_US)) {
      track.spans.shift()
    }
  }

  /** Returns the tracks in the timeline's window, by number. */
  recentTracks(nowUs) {
    return [...this.tracks.values()].filter((track) => track.seenUs > nowUs - TIMELINE_US).sort((a, b) => a.id - b.id)
  }

  get live() {
    return this.status.state === "live"
  }

  /** The people who are tracked now, as last seen. */
  get people() {
    return this.live ? [...this.lastSeen.values()].map(({ person }) => person).sort((a, b) => a.track - b.track) : []
  }

  /** Results per second over the last few samples; null before there are two. */
  get fps() {
    const last = this.samples.at(-1)
    const first = this.samples.at(-RATE_SAMPLES) ?? this.samples[0]
    return last && last.atUs > first.atUs ? ((last.processed - first.processed) * 1e6) / (last.atUs - first.atUs) : null
  }

  /** The samples since the last change of the ease level: a change is to end earlier drops. */
  get #ofThisLevel() {
    const level = this.samples.at(-1)?.level
    return this.samples.slice(this.samples.findLastIndex((sample) => sample.level !== level) + 1)
  }

  /** The recent share of frames that were dropped because of overload or errors, and the main reason. */
  get drops() {
    const samples = this.#ofThisLevel
    const [first, last] = [samples[0], samples.at(-1)]
    if (!first || last.decoded <= first.decoded) return { share: 0, reason: "" }
    const by = Object.entries(last.dropped)
      .filter(([reason]) => !INTENTIONAL.has(reason))
      .map(([reason, count]) => [reason, count - (first.dropped[reason] ?? 0)])
      .sort((a, b) => b[1] - a[1])
    const count = by.reduce((sum, [, one]) => sum + one, 0)
    return { share: Math.min(1, Math.max(0, count / (last.decoded - first.decoded))), reason: by[0]?.[0] ?? "" }
  }

  get tooOld() {
    return this.live && this.ageMs !== null && this.ageMs > this.settings.staleness_ms
  }

  /** Whether the drops are known well enough to be shown. */
  get judged() {
    return this.live && this.#ofThisLevel.length >= MIN_SAMPLES
  }

  /** Whether many of its frames are dropped, for any reason. */
  get dropping() {
    return this.judged && this.drops.share > MANY_DROPS
  }

  /** Whether many of its frames are lost to errors of the model. */
  get failing() {
    return this.dropping && this.drops.reason === "stage_error"
  }

  /** Whether many of its frames are dropped, or its results are late, because the model is too slow. */
  get overloaded() {
    return this.judged && this.load.overloaded && !this.failing && (this.dropping || this.tooOld)
  }
}
