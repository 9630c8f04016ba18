// What is known of the cameras, from the engine's messages. Everything here is bounded, and old things go.

const RESULTS_KEPT = 96 // a camera: 4 s at 25 fps, more than a picture ever waits
const SAME_US = 100
const STATS_KEPT = 12 // samples over which rates are taken
const RATE_SAMPLES = 6
const TRACKS_KEPT = 48
const SPANS_KEPT = 160 // a track
const TIMELINE_US = 180e6
const SIGHT_US = 2e6 // a person is followed so long after the last sight, as the engine does
const GAP_US = 2.5e6 // a person unseen for longer has a gap in the timeline
const HARMLESS = new Set(["rate_limited", "epoch_ended", "shutdown"]) // frames let go on purpose
export const MUCH_DROPPED = 0.2

export class Camera {
  constructor(view) {
    this.id = view.id
    this.run = ""
    this.take(view)
    this.#forget()
  }

  /** The camera as the API shows it. */
  take(view) {
    this.settings = view.settings
    this.status = view.status
  }

  #forget() {
    this.results = new Map()
    this.latest = null
    this.tracks = new Map()
    this.sights = new Map()
    this.seqs = {}
    this.samples = []
    this.ageMs = null
    this.peopleAtMs = performance.now()
  }

  /** False for a message that came before, or is older than one that did. */
  isNew(kind, message) {
    if (message.run !== this.run) {
      this.run = message.run
      this.#forget()
    }
    const last = this.seqs[kind]
    if (last && last.epoch === message.epoch && message.seq <= last.seq) return false
    this.seqs[kind] = { epoch: message.epoch, seq: message.seq }
    return true
  }

  addStatus(status) {
    const { state, reason, message, at_us, epoch, clock, size } = status
    this.status = { ...this.status, state, reason, message, at_us, epoch, clock, size: size ?? this.status.size }
    if (state !== "live") this.samples = []
  }

  addStats(stats, atUs) {
    this.samples.push({ atUs, decoded: stats.decoded, processed: stats.processed, dropped: stats.dropped })
    if (this.samples.length > STATS_KEPT) this.samples.shift()
    if (this.status.state !== stats.state && stats.state !== "ended")
      this.status = { ...this.status, state: stats.state }
  }

  addResult(result) {
    if (this.latest && this.latest.epoch !== result.epoch) {
      this.tracks.clear()
      this.sights.clear()
    }
    this.latest = result
    this.results.set(`${result.epoch}:${result.frame}`, result)
    if (this.results.size > RESULTS_KEPT) this.results.delete(this.results.keys().next().value)
    if (result.people.length) this.peopleAtMs = performance.now()
    if (result.clock !== "media") {
      const ms = (result.published_us - result.capture_us) / 1000
      this.ageMs = this.ageMs === null ? ms : this.ageMs + 0.1 * (ms - this.ageMs)
    }
    for (const person of result.people) {
      this.sights.set(person.track, { person, us: result.capture_us })
      this.#addToTimeline(person, result.capture_us)
    }
    for (const [track, { us }] of this.sights) if (result.capture_us - us > SIGHT_US) this.sights.delete(track)
  }

  resultOf(epoch, frame) {
    return this.results.get(`${epoch}:${frame}`)
  }

  /** The result of the picture at this media time, as far as times can tell: RTP's are rounded. */
  resultAt(epoch, mediaUs) {
    for (const result of this.results.values()) {
      if (result.epoch === epoch && Math.abs(result.media_time_us - mediaUs) < SAME_US) return result
    }
  }

  #addToTimeline(person, us) {
    const track = this.tracks.get(person.track) ?? { id: person.track, spans: [], seenUs: us }
    this.tracks.delete(person.track)
    this.tracks.set(person.track, track) // the one seen last is last
    if (this.tracks.size > TRACKS_KEPT) this.tracks.delete(this.tracks.keys().next().value)
    const label = person.action?.label
    const last = track.spans.at(-1)
    if (label && last?.label === label && us - last.endUs < GAP_US) last.endUs = us
    else if (label) track.spans.push({ label, beginUs: last && us - last.endUs < GAP_US ? last.endUs : us, endUs: us })
    track.seenUs = us
    while (track.spans.length && (track.spans.length > SPANS_KEPT || track.spans[0].endUs < us - TIMELINE_US)) {
      track.spans.shift()
    }
  }

  /** Tracks seen in the time that the timeline shows, by number. */
  recentTracks(nowUs) {
    return [...this.tracks.values()].filter((track) => track.seenUs > nowUs - TIMELINE_US).sort((a, b) => a.id - b.id)
  }

  get live() {
    return this.status.state === "live"
  }

  /** Everybody in sight now or a moment ago, as last seen. */
  get people() {
    return this.live ? [...this.sights.values()].map(({ person }) => person).sort((a, b) => a.track - b.track) : []
  }

  /** Results a second, over the last few samples; null before there are two. */
  get fps() {
    const last = this.samples.at(-1)
    const first = this.samples.at(-RATE_SAMPLES) ?? this.samples[0]
    return last && last.atUs > first.atUs ? ((last.processed - first.processed) * 1e6) / (last.atUs - first.atUs) : null
  }

  /** Share of the frames that were dropped lately, not on purpose; and for which reason most of them. */
  get drops() {
    const [first, last] = [this.samples[0], this.samples.at(-1)]
    if (!first || last.decoded <= first.decoded) return { share: 0, reason: "" }
    const by = Object.entries(last.dropped)
      .filter(([reason]) => !HARMLESS.has(reason))
      .map(([reason, count]) => [reason, count - (first.dropped[reason] ?? 0)])
      .sort((a, b) => b[1] - a[1])
    const count = by.reduce((sum, [, one]) => sum + one, 0)
    return { share: Math.min(1, Math.max(0, count / (last.decoded - first.decoded))), reason: by[0]?.[0] ?? "" }
  }

  get tooOld() {
    return this.live && this.ageMs !== null && this.ageMs > this.settings.staleness_ms
  }

  get overloaded() {
    return this.live && this.samples.length > 3 && (this.drops.share > MUCH_DROPPED || this.tooOld)
  }
}
