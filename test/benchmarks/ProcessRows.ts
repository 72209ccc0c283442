/**
 * Several processes that append at once, with 256 fibers in all, beside one process with as many.
 */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { type Child, fork } from "./Child.ts"
import { Databases } from "./Databases.ts"
import type { Round, Row } from "./Rounds.ts"

const processes = 4
const fibers = 256

const appender = fileURLToPath(new URL("AppendingProcess.ts", import.meta.url))

/** Starts processes that append to these categories each, with so many fibers in all. */
const start = (url: string, categories: ReadonlyArray<ReadonlyArray<string>>) =>
  Effect.forEach(categories, (own, i) =>
    Effect.tap(
      fork(appender, [url, String(fibers / categories.length / own.length), String(i * 625), ...own]),
      ({ next }) => next
    ))

/** All of them at once: messages a second in all. */
const together = (children: ReadonlyArray<Child>): Round => (millis) =>
  Effect.map(
    Effect.forEach(children, ({ ask }) => ask(millis), { concurrency: "unbounded" }),
    (rates) => rates.reduce((total, rate) => total + rate, 0)
  )

const row = (name: string, description: string, several: ReadonlyArray<ReadonlyArray<string>>): Row<Databases> => ({
  name: `processes-${name}`,
  description,
  unit: "messages/s",
  millis: 500,
  // Several processes share what processors there are, also for their compilers.
  warmUp: 8_000,
  peers: [{ name: "one process", budget: 1 }],
  prepare: Effect.gen(function*() {
    const { url } = yield* (yield* Databases).ours
    const all = [...new Set(several.flat())]
    return { ours: together(yield* start(url, several)), peers: [together(yield* start(url, [all]))] }
  })
})

const own = Array.from({ length: processes }, (_, i) => [`own${i}`])

export const rows: ReadonlyArray<Row<Databases>> = [
  row(
    "1-category",
    `${processes} processes that append to one category, with ${fibers} fibers in all`,
    own.map(() => ["shared"])
  ),
  row("4-categories", `${processes} processes that append to a category of their own each`, own)
]
