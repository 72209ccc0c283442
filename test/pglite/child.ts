/**
 * Not a test: a process of its own that opens a data folder, for tests that kill it. `child.ts append FOLDER` appends to
 * four streams until it is killed, and tells each success as a line; `child.ts hold FOLDER` says `open` and waits.
 */
import { Pglite } from "@eventfold/pglite"
import * as Effect from "effect/Effect"
import { MessageStore } from "eventfold/MessageStore"

const [, , mode, dataDir = ""] = process.argv

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const append = (stream: string) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const { version } = yield* store.append(stream, [{ type: "A", data: 0 }, { type: "A", data: 1 }])
    yield* say(`${stream} ${version}`)
  })

const program = Effect.gen(function*() {
  yield* Effect.service(MessageStore)
  yield* say("open")
  if (mode === "append") {
    yield* Effect.forEach(["kill-1", "kill-2", "killed-1", "killed-2"], (stream) => Effect.forever(append(stream)), {
      concurrency: "unbounded"
    })
  }
  // Kept alive by it.
  return yield* Effect.never
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(Pglite.layer({ dataDir })),
    Effect.catch((error) => say(`${error._tag}: ${error.message}`))
  )
)
