// Requests to one engine through a worker, which is permitted to connect to this engine only.

const WORKER = "/page/engine_worker.js?origin="
const WITHOUT_BODY = [101, 204, 205, 304]
const PARTS_AHEAD = 4 // parts of a response that wait here; a page that is slower lets the engine skip pictures

const policy = globalThis.trustedTypes?.createPolicy("engine-worker", {
  createScriptURL: (address) => {
    if (!address.startsWith(WORKER)) throw new TypeError("not the address of an engine's worker")
    return address
  },
})

export class EngineLink {
  /** `origin`: of the engine. `token` is a pass for it, and may be replaced by a later one. */
  constructor(origin) {
    this.token = ""
    this.asked = new Map()
    this.number = 0
    const address = WORKER + encodeURIComponent(origin)
    this.worker = new Worker(policy?.createScriptURL(address) ?? address)
    this.worker.addEventListener("message", ({ data }) => this.asked.get(data.id)?.take(data))
    this.worker.addEventListener("error", (event) => {
      event.preventDefault()
      this.broken = true // the controller did not give it, for example because the engine has left
      this.#failAll()
    })
    /** Whether the worker could not be loaded: another link is needed. */
    this.broken = false
    /** Used as `fetch` is, with a path of the engine. */
    this.request = (path, options = {}) => this.#ask(path, options)
  }

  close() {
    this.worker.terminate()
    this.#failAll()
  }

  #failAll() {
    for (const [id, one] of [...this.asked]) one.take({ kind: "failed", id })
  }

  #ask(path, { signal, headers = {}, ...options }) {
    const id = ++this.number
    return new Promise((resolve, reject) => {
      if (signal?.aborted || this.broken) return reject(new TypeError("not asked"))
      const one = new Answer(resolve, reject, (kind) => this.worker.postMessage({ kind, id }), () => this.asked.delete(id))
      this.asked.set(id, one)
      signal?.addEventListener("abort", () => one.abort())
      const own = { ...headers, Authorization: `Bearer ${this.token}` }
      this.worker.postMessage({ kind: "ask", id, path, options: { ...options, headers: own } })
    })
  }
}

/** A response that arrives in parts. */
class Answer {
  constructor(resolve, reject, tell, ended) {
    Object.assign(this, { resolve, reject, tell, ended })
    this.stream = null
    this.pulled = null
  }

  take({ kind, status, headers, bytes }) {
    if (kind === "head") return this.#begin(status, headers)
    if (kind === "part") this.stream.enqueue(bytes)
    else this.#end(kind === "end")
    this.pulled?.()
    this.pulled = null
  }

  abort() {
    this.tell("abort")
    this.#end(false)
  }

  #begin(status, headers) {
    if (WITHOUT_BODY.includes(status)) {
      this.#forget()
      return this.resolve(new Response(null, { status, headers }))
    }
    const source = {
      start: (stream) => (this.stream = stream),
      pull: () => {
        this.tell("pull")
        return new Promise((pulled) => (this.pulled = pulled))
      },
      cancel: () => {
        this.stream = null
        this.abort()
      },
    }
    this.resolve(new Response(new ReadableStream(source, { highWaterMark: PARTS_AHEAD }), { status, headers }))
  }

  #end(complete) {
    const { stream } = this
    this.#forget()
    if (!stream) this.reject(new TypeError("the engine cannot be reached"))
    else if (complete) stream.close()
    else stream.error(new TypeError("the connection to the engine has ended"))
  }

  #forget() {
    this.stream = null
    this.reject = () => {}
    this.ended()
  }
}
