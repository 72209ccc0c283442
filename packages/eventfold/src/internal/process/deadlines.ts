import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "../../Category.ts"
import { deriveId, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { type Key, PositionStore } from "../../PositionStore.ts"
import * as StreamName from "../../StreamName.ts"
import type { Options } from "../consumer/definition.ts"
import { lastWrite } from "../processor/lastWrite.ts"
import * as PriorityQueue from "../runtime/priorityQueue.ts"

const fields = { name: Schema.String, due: Schema.DateTimeUtc }

/**
 * The category of a process's deadlines, `fulfilment:deadline`, with the process's id as the id of a stream: one message
 * when a deadline is set, and another when it has passed.
 */
export const category = (process: string) =>
  Category.make(StreamName.withType(process, "deadline"), { Set: fields, Passed: fields })

export type DeadlineCategory = ReturnType<typeof category>

export type Passed = Extract<Category.RecordedEvent<DeadlineCategory>, { readonly type: "Passed" }>

/** When a deadline is due; none when that is no point in time, after an infinite duration say. */
const dueTime = (now: number, deadline: Duration.Input | DateTime.Utc): Option.Option<DateTime.Utc> =>
  DateTime.isDateTime(deadline)
    ? Option.some(deadline)
    : DateTime.make(now + Duration.toMillis(deadline))

/** The deadlines of a reaction as they are to be written: none or one append. */
export const toAppends = Effect.fnUntraced(function*(
  category: DeadlineCategory,
  processStream: StreamName.StreamName,
  deadlines: { readonly [name: string]: Duration.Input | DateTime.Utc | undefined }
) {
  const now = yield* Clock.currentTimeMillis
  const events = Object.entries(deadlines).flatMap(([name, deadline]) =>
    Option.match(deadline === undefined ? Option.none() : dueTime(now, deadline), {
      onNone: () => [],
      onSome: (due) => [category.events.Set({ name, due })]
    })
  )
  if (events.length === 0) return []
  const id = Option.getOrElse(StreamName.id(processStream), () => "")
  return [yield* category.toAppend(id, events)]
})

/** A deadline that is set, and has not passed yet. */
interface Pending {
  /** Of the message that is to say that it has passed: whoever writes it, it is there once. */
  readonly passedId: string
  readonly dueAt: number
  readonly name: string
  readonly recorded: RecordedMessage
}

/** For how many processes deadlines that have passed are written at the same time. */
const concurrency = 64

/** Who waits for deadlines has a position of his own beside the consumer that reacts to them. */
const keyOf = (category: DeadlineCategory, consumerId: string): Key => ({
  category: category.name,
  consumerId: `${consumerId}:timer`
})

/**
 * Follows the deadlines of a process and writes `Passed` for each when it is due, for as long as it is run. In memory are
 * those that are pending, and the position is before the oldest of them: it is where the next run begins to read.
 */
export const timer = (category: DeadlineCategory, consumerId: string, { checkpoint, poll }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const store = yield* MessageStore
    const positions = yield* PositionStore
    const key = keyOf(category, consumerId)
    const wakeUps = yield* store.wakeUps(category.name)

    const recorded = yield* positions.get(key)
    let written = Option.match(recorded, { onNone: () => 0, onSome: ({ position }) => position })
    let read = written
    // By the id of the message to come, in the order in which they were set.
    const pending = new Map<string, Pending>()
    const queue = PriorityQueue.make<Pending>((a, b) => a.dueAt < b.dueAt)

    const take = Effect.fnUntraced(function*(message: RecordedMessage) {
      // One that can't be decoded is left to the consumer of the same category, and what it does about failures.
      const event = yield* Effect.catchTag(category.decode(message), "DecodeError", () => Effect.succeedNone)
      read = message.globalPosition
      if (message.type === "Passed") pending.delete(message.id)
      if (Option.isNone(event) || event.value.type !== "Set") return
      const { due, name } = event.value.data
      const passedId = deriveId("deadline", message.id)
      const deadline = { passedId, dueAt: due.epochMilliseconds, name, recorded: message }
      pending.set(passedId, deadline)
      queue.push(deadline)
    })

    // To the end, before anything is due: what has been read may have passed further on.
    const readNew = Stream.suspend(() => store.readCategory(category.name, { from: read + 1 })).pipe(
      Stream.runForEach(take)
    )

    const pass = Effect.fnUntraced(function*({ dueAt, name, passedId, recorded }: Pending) {
      const event = category.events.Passed({ name, due: DateTime.makeUnsafe(dueAt) }, {
        id: passedId,
        metadata: Metadata.follow(recorded)
      })
      const messages = yield* category.encode(recorded.streamName, [event])
      yield* store.append(recorded.streamName, messages)
      pending.delete(passedId)
    })

    const takeDue = (now: number): ReadonlyArray<Pending> => {
      const due: Array<Pending> = []
      for (let next = queue.peek(); next !== undefined && next.dueAt <= now; next = queue.peek()) {
        queue.pop()
        if (pending.has(next.passedId)) due.push(next)
      }
      return due
    }

    const flush = Effect.suspend(() => {
      const [oldest] = pending.values()
      const position = oldest === undefined ? read : oldest.recorded.globalPosition - 1
      if (position === written) return Effect.void
      return Effect.tap(positions.put(key, { position }), () => Effect.sync(() => written = position))
    })
    yield* Effect.addFinalizer(() => lastWrite(flush, key.consumerId, "some deadlines will be read again"))

    const interval = Duration.toMillis(checkpoint?.interval ?? "1 second")
    const longest = Duration.toMillis(poll?.max ?? "5 seconds")
    let flushed = yield* Clock.currentTimeMillis
    while (true) {
      yield* readNew
      const due = takeDue(yield* Clock.currentTimeMillis)
      // Those of one process in their order.
      const byProcess = Object.values(Arr.groupBy(due, ({ recorded }) => recorded.streamName))
      yield* Effect.forEach(byProcess, (due) => Effect.forEach(due, pass, { discard: true }), {
        concurrency,
        discard: true
      })
      const now = yield* Clock.currentTimeMillis
      if (now - flushed >= interval) {
        yield* flush
        flushed = now
      }
      const next = queue.peek()?.dueAt ?? Number.POSITIVE_INFINITY
      yield* Effect.timeoutOption(wakeUps.await, Math.min(longest, Math.max(0, next - now)))
    }
  })).pipe(
    // Any version will do.
    Effect.catchTag("WrongExpectedVersion", Effect.die)
  )
