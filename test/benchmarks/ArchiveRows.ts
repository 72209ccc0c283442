/**
 * Exports, imports and checks of a whole store, each beside COPY of the same rows.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Archive from "eventfold/Archive"
import { MessageStore } from "eventfold/MessageStore"
import * as Verify from "eventfold/Verify"
import type { Client } from "pg"
import { to } from "pg-copy-streams"
import { type BenchError, promise } from "./BenchError.ts"
import { connect, copyAll } from "./Copy.ts"
import { Databases, type Ours } from "./Databases.ts"
import { rate, type Row, type Side } from "./Rounds.ts"

/** How many messages an import writes in a round: enough that the indexes are larger than a page, and few enough to keep in memory. */
const imported = 50_000

const allColumns = "global_position, position, time, stream_name, type, data, metadata, id"

/** What reads all messages of the store, and the number of them. */
const reading = (
  read: (ours: Ours, messages: number) => Effect.Effect<unknown, BenchError, MessageStore | Scope.Scope>
) =>
  Effect.gen(function*() {
    const { messages, ours } = yield* (yield* Databases).whole
    return (millis: number) =>
      Effect.scoped(rate(Effect.as(read(ours, messages), messages), millis)).pipe(
        Effect.provideService(MessageStore, ours.store)
      )
  })

/** COPY of the whole table out, as text, not decoded. */
const copyOut: Side<Databases> = Effect.gen(function*() {
  const { messages, ours } = yield* (yield* Databases).whole
  const client = yield* connect(ours.url)
  const copy = promise(async () => {
    let bytes = 0
    for await (const chunk of client.query(to("COPY message_store.messages TO STDOUT"))) bytes += chunk.length
    return bytes
  })
  return (millis) => rate(Effect.as(copy, messages), millis)
})

const empty = (client: Client) => promise(() => client.query("TRUNCATE message_store.messages RESTART IDENTITY"))

/** Writes the first messages of the store into an empty one, whose emptying does not count. */
const writing = (
  prepare: (source: Ours, target: Ours, client: Client) => Effect.Effect<
    Effect.Effect<unknown, BenchError>,
    BenchError,
    Scope.Scope
  >
): Side<Databases> =>
  Effect.gen(function*() {
    const databases = yield* Databases
    const { ours } = yield* databases.whole
    const target = yield* databases.target
    const client = yield* connect(target.url)
    const write = yield* prepare(ours, target, client)
    return () => Effect.andThen(empty(client), rate(Effect.as(write, imported)))
  })

const importing = writing(Effect.fnUntraced(function*({ store }, target) {
  const pieces = yield* Stream.runCollect(Archive.toStream({ to: imported })).pipe(
    Effect.provideService(MessageStore, store)
  )
  return Effect.suspend(() => Archive.fromStream(Stream.fromIterable(pieces), { globalPositions: "keep" })).pipe(
    Effect.provideService(MessageStore, target.store)
  )
}))

const copyingIn = writing(Effect.fnUntraced(function*({ url }, _, client) {
  const source = yield* connect(url)
  const chunks = yield* promise(async () => {
    const all: Array<Buffer> = []
    const query = `COPY (SELECT ${allColumns} FROM message_store.messages WHERE global_position <= ${imported}
      ORDER BY global_position) TO STDOUT`
    for await (const chunk of source.query(to(query))) all.push(chunk)
    return all
  })
  return copyAll(client, chunks, allColumns)
}))

export const rows: ReadonlyArray<Row<Databases>> = [
  {
    name: "export",
    slow: true,
    description: "a whole store as lines of JSON, with checksums, not compressed",
    unit: "messages/s",
    millis: 1_000,
    warmUp: 3_000,
    ours: reading(() => Stream.runDrain(Archive.toStream())),
    peers: [{ name: "COPY TO", budget: 0.5, side: copyOut }]
  },
  {
    name: "import",
    slow: true,
    description: "50,000 messages with their positions and times into an empty store",
    unit: "messages/s",
    warmUp: 3_000,
    ours: importing,
    peers: [{ name: "COPY FROM", budget: 0.4, side: copyingIn }]
  },
  {
    name: "verify",
    slow: true,
    description: "everything that Verify looks at, in a whole store",
    unit: "messages/s",
    millis: 1_000,
    ours: reading(() => Stream.runDrain(Verify.run())),
    peers: [{ name: "COPY TO", budget: 0.5, side: copyOut }]
  }
]
