import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Category, Consumer, MessageStore, Parking, PositionStore } from "eventfold"

export const Account = Category.make("account", { Deposited: { amount: Schema.Int }, Closed: {} })

export const deposit = (id: string, ...amounts: ReadonlyArray<number>) =>
  Account.append(id, amounts.map((amount) => Account.events.Deposited({ amount })))

export class Refused extends Schema.TaggedError<Refused>()("Refused", { amount: Schema.Int }) {
  override get message(): string {
    return `refused ${this.amount}`
  }
}

/** A handler that records the amounts it handles, and fails for those in `bad`. */
export const makeHandler = () => {
  const bad = new Set<number>()
  const seen: Array<number> = []
  const attempts: Array<number> = []
  const one = (amount: number) =>
    Effect.suspend(() => {
      attempts.push(amount)
      if (bad.has(amount)) return Effect.fail(new Refused({ amount }))
      seen.push(amount)
      return Effect.void
    })
  return { attempts, bad, one, seen }
}

export const options = {
  onFailure: "park",
  retry: Schedule.recurs(0),
  concurrency: 4,
  grace: 0
} satisfies Consumer.Options

export const consumerOf = <E, R>(
  { one }: { readonly one: (amount: number) => Effect.Effect<void, E, R> },
  more: Partial<Consumer.Options> = {},
  id = "notifier"
) => Consumer.make(id, { ...options, ...more }).on(Account, { Deposited: ({ data }) => one(data.amount) })

export const owner = { id: "notifier", category: "account" }

/** Enough time for the consumer to finish. */
export const settle = TestClock.adjust("30 seconds")

/** The positions of the messages that wait, by stream. */
export const waiting = (of: Parking.Owner = owner) =>
  Effect.map(
    Stream.runCollect(Parking.list(of)),
    (streams) =>
      Object.fromEntries(streams.map(({ messages, stream }) => [stream, messages.map(({ position }) => position)]))
  )

export const messagesOf = (stream: string) =>
  Effect.map(
    Stream.runCollect(Parking.list(owner)),
    (streams) => streams.find((parked) => parked.stream === stream)?.messages ?? []
  )

/** The global positions of the dropped messages. */
export const droppedBy = Effect.fnUntraced(function*({ category }: Parking.Owner) {
  const store = yield* MessageStore.MessageStore
  const dropped = new Set<number>()
  const queues = new Map<string, Set<number>>()
  const At = Schema.Struct({ globalPosition: Schema.optionalKey(Schema.Int) })
  yield* Stream.runForEach(
    store.readCategory(`${category}:parked`),
    Effect.fnUntraced(function*({ data, streamName, type }) {
      const { globalPosition } = yield* Schema.decodeUnknownEffect(At)(data)
      const queue = queues.get(streamName) ?? new Set()
      queues.set(streamName, queue)
      if (type === "Parked" && globalPosition !== undefined) queue.add(globalPosition)
      if (type !== "Replayed" && type !== "Dropped") return
      for (const one of globalPosition === undefined ? [...queue] : [globalPosition]) {
        assert.isTrue(queue.delete(one), "a message is settled once")
        if (type === "Dropped") dropped.add(one)
      }
    })
  )
  return dropped
})

export const typesOf = (streamName: string) =>
  Effect.flatMap(
    MessageStore.MessageStore,
    (store) =>
      Effect.map(Stream.runCollect(store.readStream(streamName)), (messages) => messages.map(({ type }) => type))
  )

export const inMemory = <A, E>(test: Effect.Effect<A, E, MessageStore.MessageStore | Scope.Scope>) =>
  Effect.provide(test, Layer.merge(MessageStore.layerMemory, PositionStore.layerMemory))

/** Runs a consumer that writes no positions, as after a crash. */
export const crashing = (consumer: Consumer.Consumer<unknown, never>) =>
  Effect.flatMap(
    PositionStore.PositionStore,
    (positions) =>
      Effect.provideService(Consumer.run(consumer), PositionStore.PositionStore, {
        ...positions,
        put: () => Effect.void
      })
  )
