import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import type { MessageStore } from "../../MessageStore.ts"
import { type Build, type BuildMoved, type Checkpoint, ReadModelStore } from "../../ReadModelStore.ts"
import type { InvalidArgument, StoreError } from "../../StoreError.ts"
import type { InvalidCategory } from "../../StreamName.ts"
import type { Activity } from "../processor/activity.ts"
import { type Handler, makeAttempt, makeHandle } from "../processor/handleMessages.ts"
import type { LogReader } from "../processor/logReader.ts"
import * as Spans from "../processor/spans.ts"
import * as Subject from "../processor/subject.ts"
import * as TimeLimit from "../processor/timeLimit.ts"
import * as Stopping from "../runtime/stopping.ts"
import { type Batch, inBatches } from "./batches.ts"
import * as BuildWriter from "./buildWriter.ts"
import { Broken } from "./buildWriter.ts"
import type { Decoded, ReadModel } from "./definition.ts"
import { type DecodedPage, readAhead, unread } from "./readAhead.ts"
import { throttling } from "./throttle.ts"

export type FillError = TimeLimit.HandlerTimeout | BuildMoved | StoreError | InvalidArgument | InvalidCategory

export interface Options {
  readonly activity: Activity
  readonly reader: LogReader
  /** How many messages per second to handle at most. */
  readonly throttle?: number | undefined
  /** Whether side effects run for messages that were handled before, too. */
  readonly sideEffects?: boolean | undefined
}

/** A build that is being filled. */
export interface Filling<out E, out R> {
  readonly build: () => Build
  /** The global position up to which everything is handled; the stored checkpoint may be behind. */
  readonly position: () => number
  /** The global position up to which the log has been read. */
  readonly lastRead: () => number
  /** The messages that are read and not handled yet. */
  readonly pending: () => ReadonlyArray<RecordedMessage>
  /** How many messages have been handled, or skipped. */
  readonly handled: () => number
  /**
   * Handles the next batch of messages up to a global position (inclusive). Returns whether another step can follow at once.
   * When it is interrupted, the transaction in progress may end within the read model's `grace`; else it is rolled back.
   */
  readonly step: (upTo?: number) => Effect.Effect<boolean, E | FillError, R | MessageStore | ReadModelStore>
}

/** The page in progress, and those of its batches that are not handled yet. */
interface Pending<E> {
  page: DecodedPage<E>
  batches: Array<Batch>
}

/** The checkpoint once a message is handled: for the last message of a page, the end of that page. */
const checkpointAfter = (
  { checkpoint }: Build,
  { batches, page }: Pending<unknown>,
  message: RecordedMessage
): Checkpoint => ({
  ...checkpoint,
  position: batches.length === 1 && Arr.lastNonEmpty(batches[0] ?? [message]) === message
    ? page.through
    : message.globalPosition,
  last: Option.some({ globalPosition: message.globalPosition, id: message.id })
})

/** Handles messages of the page in progress, together with the checkpoint after them. */
const handlerOf = <E, R>(
  model: ReadModel<E, R>,
  subject: Subject.Subject,
  writer: BuildWriter.BuildWriter<E | TimeLimit.HandlerTimeout, R>,
  limited: TimeLimit.TimeLimit,
  { waits, works }: Stopping.Stopping,
  pending: Pending<E>
): Handler<E | TimeLimit.HandlerTimeout | Broken, R> => ({
  subject,
  retry: model.options.retry,
  onFailure: model.options.onFailure ?? "stop",
  isFatal: (error) => error instanceof Broken,
  handle: (messages) =>
    Effect.suspend(() => {
      const events: Array<Decoded> = []
      for (const message of messages) {
        const decoded = pending.page.wanted.get(message)
        if (decoded === undefined) continue
        if (Exit.isExit(decoded)) return Effect.asVoid(decoded)
        events.push(decoded)
      }
      // The handlers, and not the transaction: its commit is not interrupted.
      const handling = Arr.isArrayNonEmpty(events) ? limited(messages, model.handle(events)) : Effect.void
      const to = checkpointAfter(writer.build(), pending, Arr.lastNonEmpty(messages))
      // Until the handlers begin, the transaction only waits: for a connection, and for whoever has locked the build.
      return Effect.ensuring(Effect.andThen(waits, writer.advance(to, Effect.andThen(works, handling))), works)
    })
})

/** Begins to fill a build whose checkpoint has been verified. Pages are read ahead until the scope closes. */
export const make = Effect.fnUntraced(function*<E, R>(
  model: ReadModel<E, R>,
  first: Build,
  { activity, reader, sideEffects = false, throttle }: Options
) {
  const clock = yield* Clock.Clock
  const subject = Subject.ofReadModel(model)
  const { grace = "10 seconds" } = model.options
  const { history, position: begin } = first.checkpoint
  const atOnce = throttle === undefined ? model.atOnce : Math.min(model.atOnce, Math.max(1, Math.ceil(throttle)))

  const read = readAhead(model, reader, yield* Effect.scope)
  const throttled = throttling(clock, throttle)
  const writer = BuildWriter.make<E | TimeLimit.HandlerTimeout, R>(yield* ReadModelStore, clock, first, { sideEffects })
  const pending: Pending<E> = { page: unread(begin), batches: [] }
  const limited = TimeLimit.make("read model", model.name, model.options.timeout)
  const stopping = Stopping.make()
  const handler = handlerOf(model, subject, writer, limited, stopping, pending)
  const attempt = makeAttempt(handler, { activity, stopping, traced: yield* Spans.make(subject) })
  const handle = makeHandle(handler, attempt, activity, undefined)
  let handled = 0

  const handleBatch = Effect.fnUntraced(function*(batch: Batch) {
    yield* handle(batch)
    // When its last message was skipped, the checkpoint stops before it.
    const to = checkpointAfter(writer.build(), pending, Arr.lastNonEmpty(batch))
    const { checkpoint } = writer.build()
    if (checkpoint.position < to.position) yield* writer.advance({ ...to, last: checkpoint.last }, Effect.void)
    handled += batch.length
    activity.sample()
    pending.batches.shift()
  })

  const step = Effect.fnUntraced(function*(upTo = Number.MAX_SAFE_INTEGER) {
    if (pending.batches.length === 0) {
      if (writer.position() >= upTo) return false
      pending.page = yield* read(writer.position() + 1, upTo)
      pending.batches = inBatches(pending.page.wanted, { atOnce, history })
    }
    const [batch] = pending.batches
    if (batch === undefined) {
      yield* writer.skipTo(pending.page.through)
      return pending.page.hasMore
    }
    yield* throttled(batch.length)
    yield* Stopping.withGracePeriod(stopping, grace)(handleBatch(batch))
    return pending.batches.length > 0 || pending.page.hasMore
  }, Effect.mapError((error) => error instanceof Broken ? error.error : error))

  const filling: Filling<E, R> = {
    build: writer.build,
    position: writer.position,
    lastRead: () => pending.page.through,
    pending: () => pending.batches.flat(),
    handled: () => handled,
    step
  }
  return filling
})
