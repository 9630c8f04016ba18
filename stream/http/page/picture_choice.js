// Which pictures are asked for: those of visible cameras, as large as they are shown, or the enlarged camera's video.

import { VideoFeed } from "./video_feed.js"

const WALL_FPS = 12.5
const LARGE_FPS = 25
const MAX_VIDEO_AGE_MS = 600 // video is not delayed for longer, so later results would miss their frame

export class PictureChoice {
  /** Calls `changed()` when to choose again. */
  constructor(views, changed) {
    this.views = views
    this.video = new VideoFeed({
      picture: (picture) => {
        const [screen] = views.screens(picture.camera)
        if (screen) screen.takeVideo(picture)
        else picture.bitmap.close()
      },
      changed,
      widest: (camera) => views.screens(camera)[0]?.canvas.width,
    })
    addEventListener("resize", changed)
  }

  /** Play video if it can be had, and return {cameras, width, fps} of the JPEGs. */
  choose() {
    const { views, video } = this
    const large = views.cameras.get(document.hidden ? null : views.opened)
    if (large?.live && large.engine && large.ageMs < MAX_VIDEO_AGE_MS) video.show(large.id, large.engine.request)
    else video.show(null)
    const cameras = video.playing ? [] : views.visible
    const screen = cameras.length ? views.screens(cameras[0])[0] : null
    const width = (screen?.element.clientWidth || 320) * Math.min(2, devicePixelRatio || 1)
    const most = views.opened ? 1280 : 640
    return {
      cameras,
      width: Math.min(most, Math.ceil(width / 160) * 160),
      fps: views.opened ? LARGE_FPS : WALL_FPS,
    }
  }
}
