/**
 * Several processes that append at once, with 256 fibers altogether, beside one process with as many.
 */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { type Child, fork } from "./Child.ts"
import { Databases } from "./Databases.ts"
import type { Round, Row } from "./Rounds.ts"

const processes = 4
const fibers = 256

const appender = fileURLToPath(new URL("AppendingProcess.ts", import.meta.url))

/** Starts a process for each list of categories to append to; the fibers are spread over all of them. */
const start = (categories: ReadonlyArray<ReadonlyArray<string>>) =>
  Effect.gen(function*() {
    const { url } = yield* (yield* Databases).ours
    const children = yield* Effect.forEach(categories, (own, i) =>
      Effect.tap(
        fork(appender, [url, String(fibers / categories.length / own.length), String(i * 625), ...own]),
        ({ next }) => next
      ))
    return together(children)
  })

/** Measures all processes at once: messages a second, added up. */
const together = (children: ReadonlyArray<Child<number>>): Round => (millis) =>
  Effect.map(
    Effect.forEach(children, ({ ask }) => ask(millis), { concurrency: "unbounded" }),
    (rates) => rates.reduce((total, rate) => total + rate, 0)
  )

const row = (name: string, description: string, several: ReadonlyArray<ReadonlyArray<string>>): Row<Databases> => ({
  name: `processes-${name}`,
  slow: true,
  description,
  unit: "messages/s",
  millis: 500,
  // The processes share the processors of the machine, also to compile their code.
  warmUp: 8_000,
  ours: start(several),
  peers: [{ name: "one process", budget: 1, side: start([[...new Set(several.flat())]]) }]
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
