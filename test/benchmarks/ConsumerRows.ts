/**
 * Consumers: how many messages they handle, and how soon after the write. For Message DB, which has functions and no
 * consumers, a loop does what its clients do: it reads a page, handles it, writes its position, and asks again.
 */
import { postgreSQLEventStoreConsumer } from "@event-driven-io/emmett-postgresql"
import * as Store from "@eventfold/test/support/Store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import type { DecodeError } from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { promise } from "./BenchError.ts"
import { Databases } from "./Databases.ts"
import * as Emmett from "./Emmett.ts"
import * as MessageDbClient from "./MessageDbClient.ts"
import { consumed, consumedByEmmett } from "./Messages.ts"
import { type PeerSide, rate, type Round, type Row } from "./Rounds.ts"

/** How often Eventide's consumers poll by default, in milliseconds. */
const peerPoll = 100

type AnyConsumer = Consumer.Consumer<DecodeError, never>

/** Defines a consumer that reports how many messages each call of its handler got. */
type Define = (id: string, handled: (count: number) => Effect.Effect<void>) => AnyConsumer

const single: Define = (id, handled) => {
  const one = () => handled(1)
  return Consumer.make(id).on(consumed.category, { Opened: one, Deposited: one, Withdrawn: one, Renamed: one })
}

const batch: Define = (id, handled) =>
  Consumer.batch(id, { from: consumed.category, handle: (messages) => handled(messages.length) })

/** Runs a consumer, without its log, until the effect ends. By then the consumer has written its position. */
const during = <A, E>(
  store: MessageStore["Service"],
  consumer: AnyConsumer,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | Consumer.RunError | DecodeError> =>
  Effect.raceFirst(Consumer.run(consumer), effect).pipe(
    Effect.provideService(MessageStore, store),
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )

/** Measures a consumer of the whole category: messages a second. */
const consume = (store: MessageStore["Service"], define: Define): Round => () =>
  rate(Effect.gen(function*() {
    const all = yield* Latch.make()
    let count = 0
    const consumer = define(randomUUID(), (more) => {
      count += more
      return count === consumed.messages ? Effect.asVoid(all.open) : Effect.void
    })
    yield* during(store, consumer, all.await)
    return count
  }))

/** Reads page after page, and writes its position after each. */
const loop = (peer: MessageDbClient.MessageDbClient): Round => () =>
  rate(promise(async () => {
    let [count, from] = [0, 1]
    for (;;) {
      const page = await peer.readCategory(consumed.category.name, from)
      count += page.length
      const last = page.at(-1)
      if (last !== undefined) await peer.writePosition(consumed.category.name, last.globalPosition)
      if (last === undefined || page.length < MessageDbClient.pageSize) return count
      from = last.globalPosition + 1
    }
  }))

/** emmett's consumers read the whole store, so this store has no other messages; and fewer, because they are slower. */
const consumeByEmmett = ({ url }: Emmett.Emmett): Round => () =>
  rate(promise(async () => {
    let count = 0
    const consumer = postgreSQLEventStoreConsumer({ connectionString: url, stopWhen: { noMessagesLeft: true } })
    consumer.reactor({ processorId: randomUUID(), eachMessage: () => void count++ })
    await consumer.start()
    await consumer.close()
    return count
  }))

const consumeRow = (name: string, description: string, define: Define, withEmmett: boolean): Row<Databases> => ({
  name,
  description,
  unit: "messages/s",
  goal: 50_000,
  ours: Effect.gen(function*() {
    const { load, store } = yield* (yield* Databases).ours
    yield* load(consumed)
    return consume(store, define)
  }),
  peers: [
    {
      name: `${MessageDbClient.name} through pg, a loop`,
      side: Effect.gen(function*() {
        const messageDb = yield* (yield* Databases).messageDb
        yield* messageDb.load(consumed)
        return loop(messageDb)
      })
    },
    ...withEmmett ? [emmettConsumes] : []
  ]
})

const emmettConsumes: PeerSide<Databases> = {
  name: `${Emmett.name}, ${consumedByEmmett.messages.toLocaleString("en")} messages`,
  side: Effect.gen(function*() {
    const emmett = yield* (yield* Databases).emmettConsumed
    yield* emmett.load(consumedByEmmett)
    return consumeByEmmett(emmett)
  })
}

/** Writes messages one by one, each a moment after the handler got the last: milliseconds from the call to the handler. */
const latencies = Effect.fnUntraced(
  function*<E>(samples: number, write: Effect.Effect<unknown, E>, handled: Latch.Latch, warmUps = 5) {
    const clock = yield* Clock.Clock
    const measured: Array<number> = []
    // The first writes plan statements, and do not count.
    for (let i = -warmUps; i < samples; i++) {
      const begin = clock.monotonicTimeNanosUnsafe()
      handled.closeUnsafe()
      yield* write
      yield* handled.await
      if (i >= 0) measured.push(Number(clock.monotonicTimeNanosUnsafe() - begin) / 1e6)
      yield* Effect.sleep("5 millis")
    }
    return measured
  }
)

/** The name of a category without messages. */
const newCategory = () => `latency${randomUUID().replaceAll("-", "")}`

/** One store writes; the consumer runs in another one, which knows no more of the first than another process does. */
const latency = (reader: MessageStore["Service"], writer: MessageStore["Service"], samples: number): Round => () =>
  Effect.gen(function*() {
    const category = newCategory()
    const handled = yield* Latch.make()
    const consumer = Consumer.make("test").on(category, { Deposited: () => handled.open })
    const write = writer.append(`${category}-1`, { type: "Deposited", data: { amount: 1 } })
    return yield* during(reader, consumer, latencies(samples, write, handled))
  })

const latencyOfLoop = (peer: MessageDbClient.MessageDbClient, samples: number): Round => () =>
  Effect.scoped(Effect.gen(function*() {
    const category = newCategory()
    const handled = yield* Latch.make()
    let from = 1
    yield* promise(async () => {
      await delay(peerPoll)
      const page = await peer.readCategory(category, from)
      from = (page.at(-1)?.globalPosition ?? from - 1) + 1
      if (page.length > 0) handled.openUnsafe()
    }).pipe(Effect.forever, Effect.forkScoped)
    return yield* latencies(samples, promise(() => peer.writeTo(`${category}-1`)), handled, 1)
  }))

const latencyOfEmmett = (emmett: Emmett.Emmett, samples: number): Round => () =>
  Effect.gen(function*() {
    const streamName = `${newCategory()}-1`
    const handled = yield* Latch.make()
    return yield* Effect.acquireUseRelease(
      promise(async () => {
        const consumer = postgreSQLEventStoreConsumer({ connectionString: emmett.url })
        const reactor = consumer.reactor({
          processorId: randomUUID(),
          startFrom: "END",
          eachMessage: ({ metadata }) => {
            if (metadata.streamName === streamName) handled.openUnsafe()
          }
        })
        const running = consumer.start()
        await until(() => reactor.isActive)
        return { consumer, running }
      }),
      () => latencies(samples, promise(() => emmett.store.appendToStream(streamName, [Emmett.eventOf(0)])), handled, 0),
      ({ consumer, running }) => Effect.promise(() => consumer.close().then(() => running))
    )
  })

const until = async (condition: () => boolean) => {
  while (!condition()) await delay(5)
}

/** Each row writes to categories of its own. */
export const rows: ReadonlyArray<Row<Databases>> = [
  consumeRow(
    "consume",
    `a consumer of ${consumed.messages.toLocaleString("en")} messages, one at a time, to its last position`,
    single,
    true
  ),
  consumeRow("consume-batch", "the same, 100 at a time", batch, false),
  {
    name: "latency",
    description: "from a write to the handler of a consumer in another process, on an idle system",
    unit: "ms",
    percentiles: [{ share: 0.5 }, { share: 0.99, goal: 10 }],
    ours: Effect.gen(function*() {
      const { store, url } = yield* (yield* Databases).ours
      return latency(yield* Store.open(url), store, 100)
    }),
    peers: [
      {
        name: `${MessageDbClient.name} through pg, polled every ${peerPoll} ms`,
        side: Effect.gen(function*() {
          return latencyOfLoop(yield* (yield* Databases).messageDb, 6)
        })
      },
      {
        // It polls less often while little happens: after the first second, once a second.
        name: `${Emmett.name}, in its first second`,
        side: Effect.gen(function*() {
          return latencyOfEmmett(yield* (yield* Databases).emmettConsumed, 3)
        })
      }
    ]
  }
]
