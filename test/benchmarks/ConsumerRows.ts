/**
 * Consumers: how many messages they handle, and how soon after the write. For Message DB, which has functions and no
 * consumers, a loop does what its clients do: it reads a page, handles it, writes its position, and asks again.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import { randomUUID } from "node:crypto"
import type { Contender } from "./Contenders.ts"
import { at, type Round, type Row } from "./Rounds.ts"

const pageSize = 1_000

/** How often Eventide's consumers poll, unless they are told otherwise. */
const peerPoll = "100 millis"

interface MessageRow {
  readonly data: string
  readonly metadata: string
  readonly global_position: bigint
}

/** Reads a page after a position, parses it, and handles its messages; gives the position of the last one. */
const readPage = (sql: SqlClient, category: string, after: bigint, handle: (data: unknown) => void) =>
  Effect.map(
    sql<MessageRow>`SELECT * FROM message_store.get_category_messages(${category}, ${after + 1n}, ${pageSize})`,
    (rows) => {
      for (const { data, metadata } of rows) {
        JSON.parse(metadata)
        handle(JSON.parse(data))
      }
      return { count: rows.length, last: rows.at(-1)?.global_position ?? after }
    }
  )

const writePosition = (sql: SqlClient, position: bigint) =>
  sql`SELECT message_store.write_message(
    ${randomUUID()}, ${`${category}:position-test`}, ${"Recorded"}, ${
    JSON.stringify({ position: Number(position) })
  }::jsonb)`

type Define = (
  id: string,
  handled: (count: number) => Effect.Effect<void>
) => Consumer.Consumer<never, never>

const single: Define = (id, handled) => {
  const one = () => handled(1)
  return Consumer.make(id, { from: category, on: { Opened: one, Deposited: one, Withdrawn: one, Renamed: one } })
}

const batch: Define = (id, handled) =>
  Consumer.batch(id, { from: category, handle: (messages) => handled(messages.length) })

/** Runs a consumer in the store, without what it says of itself, until the effect ends; then it has written its position. */
const during = <A, E>(
  store: MessageStore["Service"],
  consumer: Consumer.Consumer<never, never>,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | Consumer.RunError> =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(Consumer.run(consumer))
    const result = yield* Effect.raceFirst(effect, Fiber.join(running))
    yield* Fiber.interrupt(running)
    return result
  }).pipe(Effect.provideService(MessageStore, store), Effect.provideService(References.MinimumLogLevel, "Warn"))

/** The category that is consumed, of 1,000 streams, copied from the table's first messages. */
const category = "consumed"
const messages = 100_000

const filled = new WeakSet<Contender>()

const fill = ({ sql }: Contender) =>
  Effect.andThen(
    sql`INSERT INTO message_store.messages (stream_name, position, type, data, metadata)
      SELECT ${`${category}-`} || i % 1000, i / 1000, type, data, metadata
      FROM (SELECT row_number() OVER (ORDER BY global_position) - 1 AS i, type, data, metadata
        FROM message_store.messages WHERE global_position <= ${messages}) AS numbered
      ORDER BY i`,
    sql`VACUUM ANALYZE message_store.messages`
  )

/** Consumes the category: messages a second. */
const throughput = (consume: (contender: Contender) => ReturnType<Round>): Round =>
  Effect.fnUntraced(function*(contender) {
    if (!filled.has(contender)) {
      yield* fill(contender)
      filled.add(contender)
    }
    const clock = yield* Clock.Clock
    const begin = clock.monotonicTimeNanosUnsafe()
    const handled = yield* consume(contender)
    return handled * 1e9 / Number(clock.monotonicTimeNanosUnsafe() - begin)
  })

const consume = (define: Define) => ({ stores: [store] }: Contender) =>
  Effect.gen(function*() {
    const all = yield* Latch.make()
    let count = 0
    const consumer = define(randomUUID(), (more) => {
      count += more
      return count === messages ? Effect.asVoid(all.open) : Effect.void
    })
    yield* during(store, consumer, all.await)
    return count
  })

const consumePeer = ({ sql }: Contender) =>
  Effect.gen(function*() {
    let [after, count, handled] = [0n, pageSize, 0]
    while (count === pageSize) {
      const page = yield* readPage(sql, category, after, () => handled++)
      count = page.count
      if (count > 0) yield* writePosition(sql, page.last)
      after = page.last
    }
    return handled
  })

/** Writes messages one by one, each when the last has been handled for a moment: milliseconds from the call to the handler. */
const latencies = Effect.fnUntraced(
  function*<E>(samples: number, write: Effect.Effect<unknown, E>, handled: Latch.Latch) {
    const clock = yield* Clock.Clock
    const measured: Array<number> = []
    // The first ones plan statements.
    for (let i = -5; i < samples; i++) {
      const begin = clock.monotonicTimeNanosUnsafe()
      handled.closeUnsafe()
      yield* write
      yield* handled.await
      if (i >= 0) measured.push(Number(clock.monotonicTimeNanosUnsafe() - begin) / 1e6)
      yield* Effect.sleep("5 millis")
    }
    return measured.toSorted((a, b) => a - b)
  }
)

/** One store writes, and another one, as in another process, runs the consumer. */
const latency = ({ stores: [reader, writer] }: Contender) =>
  Effect.gen(function*() {
    const id = randomUUID().replaceAll("-", "")
    const handled = yield* Latch.make()
    const consumer = Consumer.make("test", { from: `latency${id}`, on: { Deposited: () => handled.open } })
    const write = writer.append(`latency${id}-1`, { type: "Deposited", data: { amount: 1 } })
    return yield* during(reader, consumer, latencies(100, write, handled))
  })

const latencyPeer = ({ pool, sql }: Contender) =>
  Effect.scoped(Effect.gen(function*() {
    const category = `latency${randomUUID().replaceAll("-", "")}`
    const handled = yield* Latch.make()
    let after = 0n
    yield* readPage(sql, category, after, () => handled.openUnsafe()).pipe(
      Effect.map(({ last }) => after = last),
      Effect.delay(peerPoll),
      Effect.forever,
      Effect.forkScoped
    )
    const write = Effect.suspend(() =>
      pool`SELECT message_store.write_message(${randomUUID()}, ${`${category}-1`}, ${"Deposited"}, '{}')`
    )
    return yield* latencies(10, write, handled)
  }))

/** What a share of the writes took at the most. */
const percentile = (share: number): Pick<Row, "ours" | "peer"> => ({
  ours: (contender) => Effect.map(latency(contender), (sorted) => at(sorted, share)),
  peer: (contender) => Effect.map(latencyPeer(contender), (sorted) => at(sorted, share))
})

/** All of them. They write to categories of their own. */
export const make = (): ReadonlyArray<Row> => {
  const peer = throughput(consumePeer)
  return [
    {
      name: "consume",
      description: `a consumer of ${messages} messages, one at a time, from its start to its last position`,
      unit: "messages/s",
      goal: 50_000,
      ours: throughput(consume(single)),
      peer
    },
    {
      name: "consume-batch",
      description: "the same, 100 at a time",
      unit: "messages/s",
      goal: 50_000,
      ours: throughput(consume(batch)),
      peer
    },
    {
      name: "latency-p50",
      description: "from a write to the handler of a consumer in another process, half of them",
      unit: "ms",
      ...percentile(0.5)
    },
    {
      name: "latency-p99",
      description: "the same, 99 of 100",
      unit: "ms",
      goal: 10,
      ...percentile(0.99)
    }
  ]
}
