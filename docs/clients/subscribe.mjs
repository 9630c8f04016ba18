// A subscriber in Node: prints every message of a partstream engine as one line of JSON.
//
//   npm install zeromq @msgpack/msgpack
//   node subscribe.mjs tcp://127.0.0.1:5555 [--replay tcp://127.0.0.1:5556] [--replay-timeout SECONDS]
//     [--count N] [--silence SECONDS] [TOPIC …]
//
// TOPIC is a prefix, for example results/v1/lobby/ (the default is everything). It discards the last values that are
// sent again for others and, in a fleet, what a camera's earlier engine still sends, notices gaps, and with --replay asks
// for what it missed. If replay does not answer within the
// timeout (2 s; 0 waits for ever), it continues without. Ends after N messages, or when nothing came for SECONDS; what it
// counted goes to stderr.
import { parseArgs } from "node:util"
import { decode } from "@msgpack/msgpack"
import * as zmq from "zeromq"

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    replay: { type: "string" },
    "replay-timeout": { type: "string", default: "2" },
    count: { type: "string", default: "Infinity" },
    silence: { type: "string", default: "0" },
  },
})
const [endpoint = "tcp://127.0.0.1:5555", ...topics] = positionals

const subscriber = new zmq.Subscriber({ receiveTimeout: Number(options.silence) * 1000 || -1 })
subscriber.connect(endpoint)
subscriber.subscribe(...(topics.length > 0 ? topics : [""]))

// Replay is DEALER to ROUTER: one request, any number of [id, "msg", topic, body], then [id, "end", how it ended].
const replayTimeout = Number(options["replay-timeout"]) * 1000 || -1
let replay = options.replay ? new zmq.Dealer({ receiveTimeout: replayTimeout, linger: 0 }) : null
replay?.connect(options.replay)
let requests = 0

/** A body is JSON if it begins with a brace, else MessagePack. */
function decodeBody(body) {
  return body[0] === 0x7b ? JSON.parse(body.toString("utf8")) : decode(body)
}

/** The messages of (run, topic, epoch) from `from` up to, without, `end` that the engine still has. */
async function* missed(topic, run, epoch, from, end) {
  while (from < end) {
    const id = String(++requests)
    await replay.send(JSON.stringify({ id, topic, run, epoch, from_seq: from, limit: Math.min(1000, end - from) }))
    for (;;) {
      const [answered, kind, first, body] = await replay.receive()
      if (answered.toString() !== id) continue // an answer that came too late
      if (kind.toString() === "end") {
        const { status, next_seq } = JSON.parse(first.toString())
        if (status === "unknown_run" || status === "bad_request" || next_seq <= from) return
        from = next_seq // "too_old" moves it on to the oldest that is still held
        break
      }
      const message = decodeBody(body)
      if (message.seq < end) yield message
    }
  }
}

const generations = new Map() // camera → { any, status }: the highest ones

/** Whether a camera's later engine, in a fleet, has published it already. */
function stale({ schema, camera, state, generation }) {
  if (generation === undefined || schema.startsWith("partstream.place/")) return false
  const highest = generations.get(camera) ?? { any: 0, status: 0 }
  const isStatus = schema.startsWith("partstream.status/")
  if (generation < highest.any || (isStatus && generation < highest.status)) return true
  if (isStatus) highest.status = generation
  if (!isStatus || state === "live") highest.any = generation // the others come while the earlier engine still reads it
  generations.set(camera, highest)
  return false
}

const counts = { received: 0, duplicates: 0, stale: 0, missed: 0, replayed: 0 }

/** Every message once and in order, with what was missed in its place. */
async function* messages() {
  const lastSeen = new Map() // topic → { run, epoch, seq }
  for await (const [topicFrame, body] of subscriber) {
    const topic = topicFrame.toString()
    const message = decodeBody(body)
    if (stale(message)) {
      counts.stale += 1
      continue
    }
    const { run, epoch, seq } = message
    const last = lastSeen.get(topic)
    if (last?.run === run && last.epoch === epoch) {
      if (seq <= last.seq) {
        counts.duplicates += 1
        continue
      }
      counts.missed += seq - last.seq - 1
      if (replay) {
        try {
          for await (const older of missed(topic, run, epoch, last.seq + 1, seq)) {
            counts.replayed += 1
            yield older
          }
        } catch (error) {
          if (error.code !== "EAGAIN") throw error
          console.error(`no answer from ${options.replay}: continuing without replay`)
          replay.close()
          replay = null
        }
      }
    }
    lastSeen.set(topic, { run, epoch, seq })
    counts.received += 1
    yield message
  }
}

try {
  let left = Number(options.count)
  for await (const message of messages()) {
    console.log(JSON.stringify(message))
    if (--left <= 0) break
  }
} catch (error) {
  if (error.code !== "EAGAIN") throw error // EAGAIN: nothing came for so long
}
console.error(JSON.stringify(counts))
subscriber.close()
replay?.close()
