// A camera of the fleet: what the controller knows of it, until its engine tells more.

import { Camera } from "/page/cameras.js"
import { sentence } from "/page/words.js"

const NOWHERE = ["unplaced", "unreachable", "pass_ended", "pass_refused"]

export class FleetCamera extends Camera {
  /** Take the camera from the controller's list. */
  take({ settings, status, privacy }) {
    this.settings = settings
    this.reported = statusOf(status)
    if (this.watched) return
    this.status = this.reported
    this.privacy = privacy
  }

  /** Take where it is watched: at an engine, or nowhere, with the reason. */
  place({ engine, message }) {
    this.engine = engine
    if (engine) {
      if (NOWHERE.includes(this.status.state)) this.status = { state: "connecting", reason: null, message: "" }
      return
    }
    this.watched = false
    const disabled = this.reported.reason === "disabled"
    this.status = disabled ? this.reported : { state: "unplaced", reason: "unplaced", message }
  }

  addStatus(status) {
    this.watched = true
    super.addStatus(status)
  }

  /** The page gets nothing of it: its engine does not answer (`unreachable`), or the pass has ended or is refused. */
  lose(state, message) {
    this.watched = false
    this.status = { state, reason: state === "unreachable" ? "no_engine" : state, message }
  }

  /** It is not shown any more, so that only the controller tells of it. */
  leave() {
    this.watched = false
    this.engine = null
    this.status = this.reported
  }
}

function statusOf({ state, message }) {
  if (state === "disabled") return { state: "ended", reason: "disabled", message }
  if (state === "unplaced") return { state, reason: state, message: sentence(message) }
  return { state, reason: null, message: "" }
}
