/**
 * The effect of a large table: the same work with 10,000,000 messages in it, beside 100,000.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fileURLToPath } from "node:url"
import { append } from "./AppendRows.ts"
import { fork } from "./Child.ts"
import { Databases, type Ours } from "./Databases.ts"
import { savings } from "./Messages.ts"
import { load, readCategory } from "./ReadRows.ts"
import type { Round, Row } from "./Rounds.ts"
import { account, sizes } from "./Scale.ts"

const number = (value: number) => value.toLocaleString("en")

/** A round on a table of that many messages. */
type RoundOf = (ours: Ours, size: number) => Effect.Effect<Round, never, Scope.Scope>

const of = (size: keyof typeof sizes, round: RoundOf) =>
  Effect.gen(function*() {
    return yield* round(yield* (yield* Databases).scale(size), sizes[size])
  })

const row = (
  name: string,
  description: string,
  unit: Row["unit"],
  round: RoundOf
): Row<Databases> => ({
  name: `scale-${name}`,
  description: `${description}, with ${number(sizes.large)} messages in the table`,
  unit,
  slow: true,
  ours: of("large", round),
  peers: [{ name: `with ${number(sizes.small)} messages`, budget: 0.8, side: of("small", round) }]
})

const reader = fileURLToPath(new URL("ReadingProcess.ts", import.meta.url))

/** The peak memory of a process that reads that many messages, in MB. */
const memory = ({ url }: Ours, messages: number): Round => () =>
  Effect.scoped(Effect.flatMap(fork(reader, [url, String(messages)]), ({ next }) => next))

export const rows: ReadonlyArray<Row<Databases>> = [
  row(
    "append-256",
    "256 fibers that append single messages",
    "messages/s",
    ({ store }) => Effect.succeed(append(store, { callers: 256, dataset: account }))
  ),
  row(
    "append-1",
    "one fiber that appends one message after the other",
    "messages/s",
    ({ store }) => Effect.succeed(append(store, { callers: 1, dataset: account }))
  ),
  row(
    "append-bulk",
    "one fiber that appends 1,000 messages a call",
    "messages/s",
    ({ store }) => Effect.succeed(append(store, { callers: 1, messages: 1_000, dataset: account }))
  ),
  row(
    "read-category",
    "5,000 messages from the middle of a category",
    "messages/s",
    ({ store }, size) => Effect.succeed(readCategory(store, account, 5_000, size / 2))
  ),
  row("load-100", "a stream of 100 events, read and folded", "loads/s", ({ store }) => load(store, savings)),
  row(
    "load-100-cached",
    "the same with a cache, which asks the store for what is new",
    "loads/s",
    ({ store }) => load(store, savings, { freshness: "latest" })
  ),
  {
    name: "memory",
    description: "the most memory that a process takes to read 1,000,000 messages of a category, decoded",
    unit: "MB",
    slow: true,
    once: true,
    ours: of("large", (large) => Effect.succeed(memory(large, 1_000_000))),
    peers: [{
      name: "to read 100,000",
      budget: 0.8,
      side: of("large", (large) => Effect.succeed(memory(large, 100_000)))
    }]
  }
]
