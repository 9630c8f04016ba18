// Requests to an engine or a controller. Problem details become errors.

export class Problem extends Error {
  /** `fields`: the errors of fields, [[name, text], …]. */
  constructor(status, text, fields = [], retryAfterS = 0) {
    super(text)
    this.status = status
    this.fields = fields
    this.retryAfterS = retryAfterS
  }
}

/**
 * Returns the response's JSON, or null if it has no body. Throws `Problem`, with status 0 if the server is not
 * reachable or its response is cut off. `request` is used as `fetch` is.
 */
export async function ask(method, path, body, request = (...parts) => fetch(...parts)) {
  try {
    const answer = await request(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    })
    if (!answer.ok) throw await problemOf(answer)
    return answer.status === 204 ? null : await answer.json()
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0, "The server cannot be reached.")
  }
}

/** Returns an error response as a `Problem`. */
export async function problemOf(answer) {
  const details = await answer.json().catch(() => ({}))
  const fields = (details.errors ?? []).map((error) => [error.field, error.detail])
  const text = details.detail ?? `The server responded with status ${answer.status}.`
  return new Problem(answer.status, text, fields, Number(answer.headers.get("Retry-After")) || 0)
}

/** Waiting times that double with each attempt, with jitter, so that pages do not all reconnect at once. */
export class Backoff {
  constructor(firstMs = 500, longestMs = 10000) {
    this.firstMs = firstMs
    this.longestMs = longestMs
    this.attempts = 0
  }

  /** Returns the time before the next attempt, ms. */
  next() {
    const wait = Math.min(this.longestMs, this.firstMs * 2 ** Math.min(this.attempts++, 10))
    return wait * (0.75 + 0.25 * Math.random())
  }

  reset() {
    this.attempts = 0
  }
}
