/**
 * What a worker writes down outside of the database, line by line, so that it outlasts the worker and the server: what it is
 * about to append, what was acknowledged, and what its consumers have handled.
 *
 * A line is one write to a file. SIGKILL can't undo it, and at most cuts the last one.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs"

/** One message of an append, as it was given. */
export const Given = Schema.Struct({ stream: Schema.String, type: Schema.String, data: Schema.Json })

export const Line = Schema.Union([
  /** The worker runs, with all that it runs. */
  Schema.Struct({ what: Schema.tag("ready") }),
  /** A writer has ended its last append since the pause of that number. */
  Schema.Struct({ what: Schema.tag("paused"), writer: Schema.Int, pause: Schema.Int }),
  Schema.Struct({ what: Schema.tag("planned"), op: Schema.String, messages: Schema.Array(Given) }),
  /** The position of the operation's last message in each of its streams. */
  Schema.Struct({
    what: Schema.tag("acknowledged"),
    op: Schema.String,
    ends: Schema.Array(Schema.Struct({ stream: Schema.String, position: Schema.Int }))
  }),
  /** An operation has failed for good, which none of the faults is a reason for. */
  Schema.Struct({ what: Schema.tag("refused"), op: Schema.String, why: Schema.String }),
  Schema.Struct({
    what: Schema.tag("handled"),
    consumer: Schema.String,
    stream: Schema.String,
    position: Schema.Int,
    id: Schema.String,
    /** Nanoseconds of the machine's monotonic clock, which all its processes share. */
    at: Schema.String
  })
])

export type Line = typeof Line.Type

const JsonLine = Schema.fromJsonString(Line)

const encode = Schema.encodeSync(JsonLine)

/** Opens a journal to write to it. */
export const writer = (path: string): Effect.Effect<(line: Line) => void, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => openSync(path, "a")), (file) => Effect.sync(() => closeSync(file))),
    (file) => (line) => {
      writeSync(file, `${encode(line)}\n`)
    }
  )

/** Reads what has been added to a journal since the last time; a line that is not complete yet waits. */
export const reader = (path: string): Effect.Effect<ReadonlyArray<Line>, Schema.SchemaError> => {
  let offset = 0
  let rest = ""
  const buffer = Buffer.alloc(1 << 20)
  const decoder = new TextDecoder()
  const more = (): ReadonlyArray<string> => {
    if (!existsSync(path)) return []
    const file = openSync(path, "r")
    try {
      let count = readSync(file, buffer, 0, buffer.length, offset)
      while (count > 0) {
        offset += count
        rest += decoder.decode(buffer.subarray(0, count), { stream: true })
        count = readSync(file, buffer, 0, buffer.length, offset)
      }
    } finally {
      closeSync(file)
    }
    const lines = rest.split("\n")
    rest = lines.pop() ?? ""
    return lines
  }
  const decode = Schema.decodeEffect(JsonLine)
  return Effect.suspend(() => Effect.forEach(more(), (line) => decode(line)))
}
