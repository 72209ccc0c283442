import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { HeldBack } from "../../HeldBack.ts"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { type Build, BuildMoved, type Checkpoint, ReadModelStore } from "../../ReadModelStore.ts"
import type { InvalidArgument, StoreError } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"
import type { Activity } from "../processor/activity.ts"
import { attempting, type Handler, handling } from "../processor/handleMessages.ts"
import { isPassing } from "../processor/outage.ts"
import * as Tracing from "../processor/spans.ts"
import * as Subject from "../processor/subject.ts"
import { knownSuccess } from "../runtime/eagerLoop.ts"
import { withGracePeriod } from "../runtime/gracePeriod.ts"
import type { Decoded, ReadModel } from "./definition.ts"
import { readPage } from "./lag.ts"
import * as SideEffects from "./sideEffects.ts"

export type FillError = BuildMoved | StoreError | InvalidArgument | InvalidCategory

export interface Options {
  readonly activity: Activity
  /** How many messages per second at the most. */
  readonly throttle?: number | undefined
  /** Whether side effects are run for what has been handled before, too. */
  readonly sideEffects?: boolean | undefined
}

/** A build that is being filled. */
export interface Filling<out E, out R> {
  readonly build: () => Build
  /** The global position up to which everything has been handled, of which the checkpoint may not know yet. */
  readonly position: () => number
  readonly lastRead: () => number
  /** Who keeps it from reading on. */
  readonly heldBack: () => Option.Option<HeldBack>
  /** What is read and not handled. */
  readonly pending: () => ReadonlyArray<RecordedMessage>
  /** How many messages have been handled, or skipped. */
  readonly handled: () => number
  /**
   * Handles the next messages, of those up to a global position (inclusive); gives whether there may be more at once. When it
   * is interrupted it ends with its transaction, or rolls it back.
   */
  readonly step: (upTo?: number) => Effect.Effect<boolean, E | FillError, R | MessageStore | ReadModelStore>
}

/** An error that is not the handlers'. */
class Broken extends Data.Error<{ readonly error: BuildMoved | StoreError }> {}

/** A message that is wanted, or why it can't be. */
type Wanted<E> = ReadonlyMap<RecordedMessage, Decoded | Exit.Failure<unknown, E>>

/** A page, of which only what is wanted is left. */
interface Page<E> {
  readonly wanted: Wanted<E>
  readonly through: number
  readonly hasMore: boolean
  readonly heldBack: Option.Option<HeldBack>
}

/** How far the checkpoint may be behind when nothing comes that is to be handled, in milliseconds. */
const passedOver = 5_000

const decodeAll = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  messages: ReadonlyArray<RecordedMessage>
) {
  const wanted = new Map<RecordedMessage, Decoded | Exit.Failure<unknown, E>>()
  for (const message of messages) {
    const decoding = model.decode(message)
    const exit = knownSuccess(decoding) ?? (yield* Effect.exit(decoding))
    if (Exit.isFailure(exit)) wanted.set(message, exit)
    else if (Option.isSome(exit.value)) wanted.set(message, exit.value.value)
  }
  return wanted
})

/** What goes into one transaction together: at most so many, not across an end, and by itself what can't be decoded. */
const inBatches = <E>(
  wanted: Wanted<E>,
  { atOnce, end }: { readonly atOnce: number; readonly end: number }
): Array<Arr.NonEmptyReadonlyArray<RecordedMessage>> => {
  const batches: Array<Arr.NonEmptyReadonlyArray<RecordedMessage>> = []
  let batch: Array<RecordedMessage> = []
  const close = () => {
    if (Arr.isArrayNonEmpty(batch)) batches.push(batch)
    batch = []
  }
  for (const [message, decoded] of wanted) {
    const last = batch.at(-1)
    const isUndecodable = Exit.isExit(decoded)
    const crossesEnd = last !== undefined && last.globalPosition <= end && message.globalPosition > end
    if (batch.length >= atOnce || isUndecodable || crossesEnd) close()
    batch.push(message)
    if (isUndecodable) close()
  }
  close()
  return batches
}

/** Begins to fill a build whose checkpoint is good for the log. What it reads ahead ends with the scope. */
export const make = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  first: Build,
  { activity, sideEffects = false, throttle }: Options
) {
  const store = yield* ReadModelStore
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const subject = Subject.ofReadModel(model)
  const { grace = "10 seconds", onFailure = "stop", retry } = model.options
  const { history } = first.checkpoint
  const atOnce = throttle === undefined ? model.atOnce : Math.min(model.atOnce, Math.max(1, Math.ceil(throttle)))

  let build = first
  let handled = 0
  let position = first.checkpoint.position
  let lastRead = position
  let movedAt = clock.currentTimeMillisUnsafe()
  let page: Page<E> = { wanted: new Map(), through: position, hasMore: true, heldBack: Option.none() }
  let batches: Array<Arr.NonEmptyReadonlyArray<RecordedMessage>> = []
  let ahead: Fiber.Fiber<Page<E>, StoreError | InvalidArgument | InvalidCategory> | undefined

  /** Moves the checkpoint in a transaction with what is handled. */
  const advance = (to: Checkpoint, handle: Effect.Effect<void, E, R>): Effect.Effect<void, E | Broken, R> =>
    Effect.suspend(() => {
      let isHandlers = false
      const isReplay = !sideEffects && (build.state !== "live" || to.position <= history)
      const noted = Effect.tapCause(SideEffects.inTransaction(handle), () => Effect.sync(() => isHandlers = true))
      const transaction = Effect.tap(store.advance(build, to, noted), (next) =>
        Effect.sync(() => {
          build = next
          position = to.position
          movedAt = clock.currentTimeMillisUnsafe()
        }))
      return Effect.asVoid(Effect.mapError(SideEffects.runningSideEffects(transaction, isReplay), (error) =>
        // The store says it of an error of the handlers, too, when that is its own doing.
        !isHandlers || error instanceof BuildMoved || isPassing(error)
          ? new Broken({ error: error as BuildMoved | StoreError })
          : error as E))
    })

  const after = (message: RecordedMessage): Checkpoint => ({
    ...build.checkpoint,
    position: batches.length === 1 && Arr.lastNonEmpty(batches[0] ?? [message]) === message
      ? page.through
      : message.globalPosition,
    last: Option.some({ globalPosition: message.globalPosition, id: message.id })
  })

  const handler: Handler<E | Broken, R> = {
    subject,
    retry,
    onFailure,
    isFatal: (error) => error instanceof Broken,
    handle: (messages) =>
      Effect.suspend(() => {
        const events: Array<Decoded> = []
        for (const message of messages) {
          const decoded = page.wanted.get(message)
          if (decoded === undefined) continue
          if (Exit.isExit(decoded)) return Effect.asVoid(decoded)
          events.push(decoded)
        }
        return advance(
          after(Arr.lastNonEmpty(messages)),
          Arr.isArrayNonEmpty(events) ? model.handle(events) : Effect.void
        )
      })
  }
  const handle = handling(handler, attempting(handler, activity, yield* Tracing.make(subject)), activity, undefined)

  const readNext = Effect.fnUntraced(function*(from: number) {
    const { messages, ...page } = yield* readPage(model, from)
    // What it fails with is kept for when it is to be handled.
    return { ...page, wanted: yield* decodeAll(model, messages) } satisfies Page<E>
  })

  const take = Effect.fnUntraced(function*(upTo: number) {
    const next = ahead === undefined ? yield* readNext(position + 1) : yield* Fiber.join(ahead)
    ahead = undefined
    if (next.through > upTo) {
      // What comes after it is read again, when it may be handled.
      const wanted = new Map([...next.wanted].filter(([{ globalPosition }]) => globalPosition <= upTo))
      page = { wanted, through: upTo, hasMore: false, heldBack: Option.none() }
    } else {
      page = next
      if (page.hasMore) ahead = yield* Effect.forkIn(readNext(page.through + 1), scope)
    }
    lastRead = page.through
    batches = inBatches(page.wanted, { atOnce, end: history })
  })

  /** What is passed over need not be stored each time: until then it is looked at again after a crash. */
  const passOver = Effect.suspend(() => {
    if (page.through <= build.checkpoint.position) return Effect.void
    position = page.through
    return clock.currentTimeMillisUnsafe() - movedAt < passedOver
      ? Effect.void
      : advance({ ...build.checkpoint, position }, Effect.void)
  })

  let due = clock.currentTimeMillisUnsafe()
  /** Waits until so many messages may be handled. */
  const pace = (messages: number) =>
    Effect.suspend(() => {
      if (throttle === undefined) return Effect.void
      const now = clock.currentTimeMillisUnsafe()
      const wait = Math.max(0, due - now)
      due = Math.max(due, now) + messages * 1_000 / throttle
      return Effect.sleep(wait)
    })

  const handleBatch = Effect.fnUntraced(function*(batch: Arr.NonEmptyReadonlyArray<RecordedMessage>) {
    yield* handle(batch)
    // When the last one was skipped its checkpoint is not that of a message that was handled.
    const to = after(Arr.lastNonEmpty(batch))
    if (build.checkpoint.position < to.position) {
      yield* advance({ ...to, last: build.checkpoint.last }, Effect.void)
    }
    handled += batch.length
    activity.sample()
    batches.shift()
  })

  const step = Effect.fnUntraced(function*(upTo = Number.MAX_SAFE_INTEGER) {
    if (batches.length === 0) {
      if (position >= upTo) return false
      yield* take(upTo)
    }
    const [batch] = batches
    if (batch === undefined) {
      yield* passOver
      return page.hasMore
    }
    yield* pace(batch.length)
    yield* withGracePeriod(grace)(handleBatch(batch))
    return batches.length > 0 || page.hasMore
  }, Effect.mapError((error) => error instanceof Broken ? error.error : error))

  const filling: Filling<E, R> = {
    build: () => build,
    position: () => position,
    lastRead: () => lastRead,
    heldBack: () => page.heldBack,
    pending: () => batches.flat(),
    handled: () => handled,
    step
  }

  const oldest = () => batches[0]?.[0]
  const hideGauges = activity.metrics.show({
    inFlight: () => batches.length === 0 ? 0 : 1,
    pending: () => filling.pending().length,
    lagPositions: () => lastRead - position,
    lagSeconds: () =>
      Math.max(
        0,
        clock.currentTimeMillisUnsafe() - (oldest()?.time.epochMilliseconds ?? Number.POSITIVE_INFINITY)
      ) / 1_000
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      hideGauges()
      activity.stopped()
    })
  )
  return filling
})
