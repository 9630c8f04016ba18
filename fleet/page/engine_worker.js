// Requests to one engine. The Content-Security-Policy of this worker permits no other connection.
//
// Takes {kind: "ask", id, path, options}, {kind: "pull", id} for the next part of a response, and {kind: "abort", id}.
// Posts {kind: "head", id, status, headers}, {kind: "part", id, bytes}, {kind: "end", id} and {kind: "failed", id}.

const engine = new URL(self.location).searchParams.get("origin")
const running = new Map()

self.onmessage = ({ data }) => {
  const { kind, id } = data
  if (kind === "ask") ask(id, data.path, data.options)
  else if (kind === "pull") pull(id)
  else end(id)?.stop.abort()
}

async function ask(id, path, options) {
  const stop = new AbortController()
  running.set(id, { stop, body: null })
  try {
    const address = new URL(path, engine)
    if (address.origin !== engine) throw new TypeError("another origin")
    const answer = await fetch(address, {
      ...options,
      mode: "cors",
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: stop.signal,
    })
    if (!running.has(id)) return
    running.get(id).body = answer.body?.getReader() ?? null
    self.postMessage({ kind: "head", id, status: answer.status, headers: [...answer.headers] })
  } catch {
    if (end(id)) self.postMessage({ kind: "failed", id })
  }
}

async function pull(id) {
  try {
    const { done, value } = (await running.get(id)?.body?.read()) ?? { done: true }
    if (!done) self.postMessage({ kind: "part", id, bytes: value }, [value.buffer])
    else if (end(id)) self.postMessage({ kind: "end", id })
  } catch {
    if (end(id)) self.postMessage({ kind: "failed", id })
  }
}

function end(id) {
  const one = running.get(id)
  running.delete(id)
  return one
}
