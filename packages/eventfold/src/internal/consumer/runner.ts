import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunningStatus } from "../../ConsumerStatus.ts"
import type { MessageStore, ReadCategoryError } from "../../MessageStore.ts"
import { Placement } from "../../Placement.ts"
import { leaseName } from "../../PositionStore.ts"
import * as Lifecycle from "../processor/lifecycle.ts"
import { ofConsumer } from "../processor/subject.ts"
import type { Consumer } from "./definition.ts"
import type { RunError } from "./errors.ts"
import * as Members from "./members.ts"
import * as PlacedRunner from "./placedRunner.ts"
import { isHandled } from "./progress.ts"
import * as Session from "./session.ts"
import * as StartPosition from "./startPosition.ts"

/** The pause between two looks at what another process has handled. */
const pollInterval = "100 millis"

/** Runs a consumer in this process. */
export interface Runner<E, R> {
  /** Runs the consumer until it fails or is interrupted: whenever this process holds its leases. */
  readonly run: Effect.Effect<never, E | RunError, R | MessageStore>
  readonly status: Effect.Effect<RunningStatus>
  readonly waitFor: (globalPosition: number) => Effect.Effect<void, ReadCategoryError, MessageStore>
}

/** What is written after it returns comes after the end that a consumer starts at. */
export const make = Effect.fnUntraced(function*<E, R>(
  consumer: Consumer<E, R>
): Effect.fn.Return<Runner<E, R>, never, MessageStore> {
  const startAfter = yield* StartPosition.fix(consumer)
  const placement = yield* Placement
  return yield* Option.match(placement, {
    onNone: () => offering(consumer, startAfter),
    onSome: (placement) => PlacedRunner.make(consumer, placement, startAfter)
  })
})

/** Offers all of the consumer's members: they run here whenever this process has all of their leases. */
const offering = Effect.fnUntraced(function*<E, R>(
  consumer: Consumer<E, R>,
  startAfter: StartPosition.StartAfter
): Effect.fn.Return<Runner<E, R>, never, MessageStore> {
  const { category } = consumer
  const keys = Members.keysOf(consumer)
  const lifecycle = yield* Lifecycle.make<Session.Session<E, R>>(ofConsumer(consumer))
  const details = ({ positions }: Session.Session<E, R>) => ({ category, positions: positions() })

  const untilLost = Effect.gen(function*() {
    const session = lifecycle.start(Session.make(consumer, startAfter, lifecycle.activity), details)
    yield* lifecycle.whileLeased(keys.map(leaseName), Effect.flatMap(session, ({ run }) => run))
    yield* lifecycle.current()?.abandon ?? Effect.void
  })

  const members = new Set(keys.map(({ member }) => member))
  const runsHere = (member: number | undefined) => members.has(member)

  /** Waits for the members that run here, or would once this process has the leases. */
  const waitForOwn = Effect.fnUntraced(function*(globalPosition: number) {
    while (true) {
      const session = lifecycle.current()
      if (session === undefined) {
        if (yield* isHandled(consumer, globalPosition, startAfter, runsHere)) return
        yield* Effect.timeoutOption(lifecycle.changedFrom(undefined), pollInterval)
      } else if (
        yield* Effect.raceFirst(
          Effect.as(session.waitFor(globalPosition), true),
          Effect.as(lifecycle.changedFrom(session), false)
        )
      ) return
    }
  })

  const waitFor = Effect.fnUntraced(function*(globalPosition: number) {
    yield* waitForOwn(globalPosition)
    while (!(yield* isHandled(consumer, globalPosition, startAfter, (member) => !runsHere(member)))) {
      yield* Effect.sleep(pollInterval)
    }
  })

  return { run: lifecycle.told(Effect.forever(Effect.scoped(untilLost))), status: lifecycle.status, waitFor }
})
