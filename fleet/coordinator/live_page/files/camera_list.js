// The cameras of the fleet as the coordinator lists them: first all, then those that have changed.

import { ask } from "/page/api.js"
import { FleetCamera } from "./fleet_camera.js"

const PATH = "/api/v1/fleet/cameras"

export class CameraList {
  constructor() {
    /** By id, in the coordinator's order. */
    this.all = new Map()
    this.version = ""
    this.loading = null
  }

  /** Load what has changed, and return the ids of those cameras. Throws `Problem`. */
  load() {
    return (this.loading ??= this.#load().finally(() => (this.loading = null)))
  }

  async #load() {
    const changes = await ask("GET", `${PATH}?since=${this.version}`)
    const ids = this.#take(changes)
    if (changes.whole || changes.count === this.all.size) return ids
    return this.#take(await ask("GET", PATH)) // some are gone
  }

  #take({ version, whole, cameras }) {
    const before = this.all
    this.version = version
    this.all = new Map(whole ? [] : before)
    for (const view of cameras) {
      const camera = before.get(view.id) ?? new FleetCamera(view)
      camera.take(view)
      this.all.set(view.id, camera)
    }
    return cameras.map(({ id }) => id)
  }
}
