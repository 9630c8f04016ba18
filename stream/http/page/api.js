// Requests to the engine, and its problem details as errors.

export class Problem extends Error {
  /** `fields`: what is wrong with each field, [[name, text], …]. */
  constructor(status, text, fields = [], retryAfterS = 0) {
    super(text)
    this.status = status
    this.fields = fields
    this.retryAfterS = retryAfterS
  }
}

/** The answer's JSON, or null where there is none. Throws `Problem`; status 0 means that the engine wasn't reached. */
export async function ask(method, path, body) {
  let answer
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    })
  } catch {
    throw new Problem(0, "The engine can't be reached.")
  }
  if (!answer.ok) throw await problemOf(answer)
  return answer.status === 204 ? null : answer.json()
}

/** What an answer that isn't one says is wrong. */
export async function problemOf(answer) {
  const told = await answer.json().catch(() => ({}))
  const fields = (told.errors ?? []).map((error) => [error.field, error.detail])
  const text = told.detail ?? `The engine answered ${answer.status}.`
  return new Problem(answer.status, text, fields, Number(answer.headers.get("Retry-After")) || 0)
}

/** Waits that double from try to try, so that an engine that comes back isn't met by everybody at once. */
export class Backoff {
  constructor(firstMs = 500, longestMs = 10000) {
    this.firstMs = firstMs
    this.longestMs = longestMs
    this.tries = 0
  }

  /** How long to wait before the next try, ms. */
  next() {
    const wait = Math.min(this.longestMs, this.firstMs * 2 ** Math.min(this.tries++, 10))
    return wait * (0.75 + 0.25 * Math.random())
  }

  reset() {
    this.tries = 0
  }
}
