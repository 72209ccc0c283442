import type * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { RunningStatus, Stuck } from "../../ConsumerStatus.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore, ReadCategoryError } from "../../MessageStore.ts"
import * as Activity from "../processor/activity.ts"
import { leased } from "../processor/lease.ts"
import { ofConsumer } from "../processor/subject.ts"
import { log } from "../runtime/log.ts"
import type { Consumer } from "./definition.ts"
import type { RunError } from "./errors.ts"
import { isHandled } from "./lag.ts"
import * as Shares from "./members.ts"
import * as Consuming from "./session.ts"

/** How long to wait between two looks at what another process has done. */
const pollInterval = "100 millis"

/** A consumer in this process. */
export interface Here<E, R> {
  /** Runs it until it fails or is interrupted. */
  readonly run: Effect.Effect<never, E | RunError, R | MessageStore>
  readonly status: Effect.Effect<RunningStatus>
  readonly waitFor: (globalPosition: number) => Effect.Effect<void, ReadCategoryError, MessageStore>
}

const stuck = (
  [first, ...others]: Arr.NonEmptyReadonlyArray<RecordedMessage>,
  { attempts, error, since }: Activity.Retrying
): Stuck => {
  const { data: _data, metadata: _metadata, ...message } = first
  return { message, messages: others.length + 1, attempts, since: DateTime.makeUnsafe(since), error }
}

export const make = Effect.fnUntraced(function*<E, R>(consumer: Consumer<E, R>): Effect.fn.Return<Here<E, R>> {
  const subject = ofConsumer(consumer)
  const activity = yield* Activity.make(subject)
  const changed = yield* Latch.make()
  const about = { consumer: consumer.id, category: consumer.category }
  let session: Consuming.Session<E, R> | undefined
  const set = (next: typeof session) =>
    Effect.sync(() => {
      session = next
    }).pipe(Effect.andThen(changed.release))

  const untilLost = Effect.gen(function*() {
    const leases = yield* Effect.forEach(Shares.keysOf(consumer), (key) => leased(subject, Shares.leaseName(key)))
    // The last thing that is done, when no handler runs any more and the positions are written.
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        if (session === undefined) return Effect.void
        const why = Exit.isSuccess(exit) ? "lease lost" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"
        const { handled } = activity.counts()
        const positions = session.positions()
        return Effect.andThen(
          log("Info", "a consumer has stopped", { ...about, why, handled, positions }),
          set(undefined)
        )
      })
    )
    const started = yield* Consuming.start(consumer, activity)
    yield* set(started)
    yield* log("Info", "a consumer has started", { ...about, positions: started.positions() })
    const lost = yield* Effect.raceFirst(started.run, Effect.raceAll(leases.map(({ lost }) => lost)))
    yield* log("Warn", "a consumer has lost its lease, and tries to get it again", { ...about, lost })
    // Somebody else may have begun.
    yield* started.abandon
  })

  const members = new Set(Shares.keysOf(consumer).map(({ member }) => member))
  const isOurs = (member: number | undefined) => members.has(member)
  const waitFor = Effect.fnUntraced(function*(globalPosition: number) {
    while (true) {
      if (session === undefined) {
        // It has not begun, or another process runs it.
        if (yield* isHandled(consumer, globalPosition, isOurs)) break
        yield* Effect.timeoutOption(changed.await, pollInterval)
      } else if (
        yield* Effect.raceFirst(Effect.as(session.waitFor(globalPosition), true), Effect.as(changed.await, false))
      ) break
    }
    while (!(yield* isHandled(consumer, globalPosition, (member) => !isOurs(member)))) {
      yield* Effect.sleep(pollInterval)
    }
  })

  return {
    run: Effect.forever(Effect.scoped(untilLost)),
    waitFor,
    status: Effect.sync((): RunningStatus => {
      const { pending, running } = session?.counts() ?? { pending: 0, running: 0 }
      return {
        isActive: session !== undefined,
        positions: session?.positions() ?? [],
        lastRead: session?.lastRead(),
        heldBack: session?.heldBack() ?? Option.none(),
        inFlight: running,
        pending,
        ...activity.counts(),
        rate: activity.rate(),
        stuck: Array.from(activity.retrying, ([messages, retrying]) => stuck(messages, retrying))
      }
    })
  }
})
