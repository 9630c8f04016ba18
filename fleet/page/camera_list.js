// The cameras of the fleet as the controller lists them.

import { ask } from "/page/api.js"
import { FleetCamera } from "./fleet_camera.js"

export class CameraList {
  constructor() {
    /** By id, in the controller's order. */
    this.all = new Map()
    this.loading = null
  }

  /** Load all cameras, and return their ids. Throws `Problem`. */
  load() {
    return (this.loading ??= this.#load().finally(() => (this.loading = null)))
  }

  async #load() {
    const { cameras } = await ask("GET", "/api/v1/cameras")
    const before = this.all
    this.all = new Map()
    for (const view of cameras) {
      const camera = before.get(view.id) ?? new FleetCamera(view)
      camera.take(view)
      this.all.set(view.id, camera)
    }
    return [...this.all.keys()]
  }
}
