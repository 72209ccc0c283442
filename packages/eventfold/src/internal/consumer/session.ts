import * as Effect from "effect/Effect"
import type { MessageStore, ReadCategoryError } from "../../MessageStore.ts"
import * as Parking from "../parking/session.ts"
import type { Activity, Messages } from "../processor/activity.ts"
import { makeAttempt, makeHandle } from "../processor/handleMessages.ts"
import type { Work } from "../processor/lifecycle.ts"
import * as LogReader from "../processor/logReader.ts"
import { retryOutages, retryOutagesUntilStop } from "../processor/outage.ts"
import * as Spans from "../processor/spans.ts"
import { ofConsumer } from "../processor/subject.ts"
import * as TimeLimit from "../processor/timeLimit.ts"
import { log } from "../runtime/log.ts"
import * as Stopping from "../runtime/stopping.ts"
import * as CheckpointWriter from "./checkpointWriter.ts"
import { type Consumer, type Options, readsAll } from "./definition.ts"
import * as Follower from "./follower.ts"
import * as Members from "./members.ts"
import * as MessageLanes from "./messageLanes.ts"
import type { StartAfter } from "./startPosition.ts"

/** A consumer at work, from when it has its leases until it loses them, fails or is stopped. */
export interface Session<E, R> extends Work {
  /** Ends when the database has become another one: its positions have to be read again. */
  readonly run: Effect.Effect<void, E | ReadCategoryError | TimeLimit.HandlerTimeout, R | MessageStore>
  /** Interrupts the handlers and writes no positions: another process may be ahead already. */
  readonly abandon: Effect.Effect<void>
  readonly waitFor: Follower.Follower["waitFor"]
}

/** The only member of a group that runs here: the store can select its messages. */
const onlyMember = ({ group }: Options) => {
  const [member, ...others] = group?.members ?? []
  return group === undefined || member === undefined || others.length > 0 ? undefined : { size: group.size, member }
}

/** Begins where the consumer's positions are, or where it starts. Handlers end and checkpoints are written when the scope closes. */
export const make = Effect.fnUntraced(function*<E, R>(
  consumer: Consumer<E, R>,
  startAfter: StartAfter,
  activity: Activity
) {
  const { category, options, selection } = consumer
  const subject = ofConsumer(consumer)
  const persist = retryOutages(subject)
  const reader = yield* LogReader.follow(subject, {
    category: readsAll(consumer) ? undefined : category,
    selection,
    batchSize: options.batchSize,
    correlation: options.correlation,
    consumerGroup: onlyMember(options)
  })
  const members = yield* persist(Members.load(consumer, startAfter))
  const checkpoints = yield* CheckpointWriter.make(consumer, { activity, persist, members })

  const limited = TimeLimit.make("consumer", consumer.id, options.timeout)
  const handler = {
    subject,
    handle: (messages: Messages) => limited(messages, consumer.handle(messages)),
    retry: options.retry,
    onFailure: options.onFailure === "skip" ? "skip" : "stop"
  } as const
  const stopping = Stopping.make()
  const attempt = makeAttempt(handler, { activity, stopping, traced: yield* Spans.make(subject) })
  const parking = options.onFailure === "park"
    ? yield* Parking.start(consumer, {
      activity,
      attempt,
      persist,
      persistInLane: retryOutagesUntilStop(subject, stopping),
      positionOf: (streamName) => members.of({ streamName })?.mark.position(),
      stopping,
      subject
    })
    : undefined
  const lanes = yield* MessageLanes.make(consumer, makeHandle(handler, attempt, activity, parking), stopping)
  const follower = yield* Follower.make(consumer, { reader, members, lanes, onDone: checkpoints.done, persist })

  const replays = parking === undefined ? Effect.never : parking.run(lanes.offerTask)
  const background = persist(consumer.background?.(options) ?? Effect.never)

  const replaced = Effect.andThen(
    members.replaced,
    log("Warn", "consumer begins at its recorded position again: the database has become another one", subject.logged)
  )

  const session: Session<E, R> = {
    run: Effect.raceAllFirst([follower.run, checkpoints.run, replays, background, lanes.failure, replaced]),
    abandon: Effect.suspend(() => {
      checkpoints.abandon()
      return lanes.abandon
    }),
    waitFor: follower.waitFor,
    counts: lanes.counts,
    positions: members.positions,
    lastRead: follower.lastRead,
    heldBack: reader.heldBack,
    oldest: members.oldest
  }
  return session
})
