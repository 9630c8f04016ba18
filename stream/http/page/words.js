// Codes in words, and readable numbers and times.

const REASONS = {
  refused: "connection refused",
  unreachable: "no route to host",
  unknown_host: "unknown host",
  not_found: "stream not found",
  unauthorised: "wrong user name or password",
  untrusted: "certificate not trusted",
  server_error: "server error",
  silent: "no response",
  timeout: "no video in time",
  stalled: "no more video",
  ended: "stream ended",
  not_a_video: "not a video",
  unknown_codec: "unknown codec",
  picture_too_large: "picture too large",
  no_memory: "not enough memory",
  busy: "no free file descriptor",
  broken: "read error",
  no_such_file: "file not found",
  unreadable: "permission denied",
  no_such_device: "device not found",
  bad_address: "invalid address",
  internal: "could not be started",
  internal_error: "internal error",
  no_publisher: "no publisher",
  unconnected: "no connection to the peer",
  disabled: "disabled",
  unplaced: "no engine",
  no_engine: "engine not reachable",
  no_pass: "waiting for the controller",
}

const STATES = {
  connecting: "Connecting",
  live: "Live",
  stalled: "No video",
  reconnecting: "Reconnecting",
  ended: "Ended",
  removed: "Removed",
  unplaced: "No engine",
  unreachable: "Engine not reachable",
  no_pass: "Waiting for the controller",
}

const DROPS = {
  overwritten: "replaced by newer frames",
  all_leased: "no free buffer",
  stale: "too old",
  stage_error: "model error",
}

/** Returns [headline, explanation] if a camera has a problem, otherwise null. */
export function cameraProblem(status) {
  if (status.state === "live") return null
  if (status.reason === "disabled") return ["Disabled", "The engine does not read this camera."]
  if (status.reason === "no_publisher") {
    return ["Waiting for a publisher", messageOf(status).replace("Waiting for a publisher. ", "")]
  }
  const again = status.state === "connecting" && status.reason
  return [STATES[again ? "reconnecting" : status.state], messageOf(status)]
}

/** Returns the status message without the camera's name, which is shown beside it. */
function messageOf(status) {
  const text = status.message.replace(/^camera \S+: /, "")
  return text === "connecting" ? "" : sentence(text)
}

/** Returns the text with a capital letter and a full stop, neither of them in an address. */
export function sentence(text) {
  const begun = /^[a-z]+:\/\//.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1)
  return !text || /[.!?…]$|[/:]\S*$/.test(text) ? begun : `${begun}.`
}

/** Why a camera has no video, in a few words; empty if it is live. */
export const shortReason = (status) => (status.state === "live" ? "" : (REASONS[status.reason] ?? ""))

/** The state in a few words: the headline of the camera's problem, or "Live". */
export const stateWords = (status) => cameraProblem(status)?.[0] ?? STATES.live

export const dropWords = (reason) => DROPS[reason] ?? words(reason)

/** Returns what an engine leaves out because its machine is busy; empty at full quality. */
export function reducedDetail({ name, stats: { load } }) {
  if (!load.ease_level) return ""
  const rate = load.detections_per_second
  const limits = [
    rate && `up to ${rate === 1 ? "once" : `${rate} times`} a second`,
    load.detector_side && `in pictures of up to ${load.detector_side} pixels`,
  ].filter(Boolean)
  const level = `level ${load.ease_level} of ${load.max_ease_level}`
  return `Reduced detail: ${name || "this machine"} is busy. People are detected ${limits.join(", ")} (${level}).`
}

/** Returns what a person's hands hold, for example "holds cup"; empty if nothing. */
export function heldWords(person) {
  const labels = [...new Set(person.parts.map((part) => part.holds).filter(Boolean))]
  return labels.length ? `holds ${labels.sort().map(words).join(", ")}` : ""
}

/** Returns the zones that a person is in, for example "in hall"; empty if in none. */
export const zoneWords = (person) => (person.zones?.length ? `in ${person.zones.join(", ")}` : "")

/** Returns `right_hand` as "right hand". */
export const words = (name) => name.replaceAll("_", " ")

const experimental = new Set()

/** Take the names of the model's experimental actions, from a message about the model. */
export function takeModel(model) {
  experimental.clear()
  for (const action of model.experimental ?? []) experimental.add(action)
}

/** Whether an action is too often wrong on real video. */
export const isExperimental = (action) => experimental.has(action)

/** Returns an action in words, marked if it is experimental. */
export const actionWords = (action) => words(action) + (isExperimental(action) ? " (experimental)" : "")

export const percent = (share) => `${Math.round(share * 100)} %`

/** Returns milliseconds in a short form. */
export function duration(ms) {
  if (ms < 950) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 99.5) return `${Math.round(seconds)} s`
  if (seconds < 5940) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

/** Returns the local time of day of an instant in µs. */
export const clockTime = (us) => new Date(us / 1000).toLocaleTimeString([], { hour12: false })

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`

/** Returns input as a number, null if it is empty, or unchanged if it is not a number: the engine rejects it. */
export const trimmedNumber = (text) =>
  text === "" ? null : Number.isFinite(Number(text.replace(",", "."))) ? Number(text.replace(",", ".")) : text
