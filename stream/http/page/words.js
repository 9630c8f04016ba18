// What codes mean, in words; and numbers and times as people read them. Pure.

const REASONS = {
  refused: "nothing listens there",
  unreachable: "no way to its host",
  unknown_host: "unknown host",
  not_found: "no such stream",
  unauthorised: "wrong name or password",
  untrusted: "its certificate is not trusted",
  server_error: "its server has an error",
  silent: "it says nothing",
  timeout: "no picture in time",
  stalled: "no pictures any more",
  ended: "the stream is over",
  not_a_video: "no video there",
  unknown_codec: "unknown coding",
  broken: "reading failed",
  no_such_file: "no such file",
  unreadable: "may not be read",
  no_such_device: "no such device",
  bad_address: "wrong address",
  internal: "could not be started",
  internal_error: "a fault in partstream",
  no_publisher: "nobody publishes to it",
  unconnected: "no connection to its peer",
  disabled: "switched off",
}

const STATES = {
  connecting: "Connecting",
  live: "Live",
  stalled: "No pictures",
  reconnecting: "Down: connecting again",
  ended: "Ended",
  removed: "Removed",
}

const DROPS = {
  overwritten: "newer ones came first",
  all_leased: "all were being analysed",
  stale: "too old to be live",
  stage_error: "the model failed",
}

/** What is wrong with a camera: [headline, what to know of it and to do]; null while all is well. */
export function trouble(status) {
  if (status.state === "live") return null
  if (status.reason === "disabled") return ["Switched off", "This camera is not read."]
  if (status.reason === "no_publisher") return ["Waiting for its publisher", sentence(status)]
  const again = status.state === "connecting" && status.reason
  return [STATES[again ? "reconnecting" : status.state], sentence(status)]
}

/** What the engine says of it, without the camera's name, which stands beside it. */
function sentence(status) {
  const said = status.message.replace(/^camera \S+: /, "")
  return said && said !== "connecting" ? said[0].toUpperCase() + said.slice(1) : ""
}

/** Why a camera gives no pictures, in a few words; empty while all is well. */
export const shortReason = (status) => (status.state === "live" ? "" : (REASONS[status.reason] ?? ""))

export const stateWord = (state) => STATES[state] ?? state
export const dropWords = (reason) => DROPS[reason] ?? words(reason)

/** `right_hand` as "right hand". */
export const words = (name) => name.replaceAll("_", " ")

export const percent = (share) => `${Math.round(share * 100)} %`

/** Milliseconds, as short as they can be read. */
export function duration(ms) {
  if (ms < 950) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 99.5) return `${Math.round(seconds)} s`
  if (seconds < 5940) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

/** The time of day of an instant in µs. */
export const clockTime = (us) => new Date(us / 1000).toLocaleTimeString([], { hour12: false })

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`

/** What was typed as a number, as it was typed if it is none (the engine says what is wrong with it), null if empty. */
export const trimmedNumber = (text) =>
  text === "" ? null : Number.isFinite(Number(text.replace(",", "."))) ? Number(text.replace(",", ".")) : text
