import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { RecordedMessage } from "../../Message.ts"
import { defaultBatchSize, type ReadAllError } from "../../MessageStore.ts"
import type { ReadPageResult } from "../../StoreBackend.ts"
import type { FollowingReader } from "../processor/logReader.ts"
import type { RetryOutages } from "../processor/outage.ts"
import * as PollPause from "../processor/pollPause.ts"
import { correlates } from "../processor/sources.ts"
import { isBookkeeping, isOwn } from "../store/bookkeeping.ts"
import { type Consumer, readsAll } from "./definition.ts"
import type { Members } from "./members.ts"
import type { MessageLanes } from "./messageLanes.ts"

/** A reader that is held back rests at least this long between two reads. */
const heldBackRest = "20 millis"

export interface Options {
  readonly reader: FollowingReader
  readonly members: Members
  readonly lanes: Pick<MessageLanes<unknown, unknown>, "offer" | "awaitRoom">
  /** Runs when a message is handled, or needs no handling. */
  readonly onDone: () => void
  readonly persist: RetryOutages
}

/** Reads what a consumer has not handled yet, then follows the log, and gives the messages to the consumer's lanes. */
export interface Follower {
  readonly run: Effect.Effect<never, ReadAllError>
  /** The global position up to which messages have been read, inclusive. */
  readonly lastRead: () => number
  /** Waits until all that is written now, up to a global position (inclusive), is handled as far as it is this consumer's. */
  readonly waitFor: (globalPosition: number) => Effect.Effect<void>
}

/** Waits for conditions that `check` evaluates. */
const makeConditions = () => {
  const waiting = new Set<{ readonly isMet: () => boolean; readonly latch: Latch.Latch }>()
  return {
    check: () => {
      if (waiting.size === 0) return
      for (const { isMet, latch } of waiting) if (isMet()) latch.openUnsafe()
    },
    wait: (isMet: () => boolean) =>
      Effect.suspend(() => {
        const one = { isMet, latch: Latch.makeUnsafe() }
        waiting.add(one)
        return Effect.ensuring(one.latch.await, Effect.sync(() => waiting.delete(one)))
      })
  }
}

/** What consumers write about themselves does not count as new for a consumer that reads more than one category. */
const isNews = (consumer: Consumer<unknown, unknown>) => {
  const isOfAll = readsAll(consumer)
  return ({ streamName }: RecordedMessage) => !isOfAll || !isBookkeeping(streamName)
}

/** Gives a message to its lane, unless the consumer skips it; then the position of its member may pass it. */
const makeDispatch = (
  consumer: Consumer<unknown, unknown>,
  { lanes, members }: Pick<Options, "lanes" | "members">,
  onDone: () => void
) => {
  const isOfAll = readsAll(consumer)
  const isNew = isNews(consumer)
  // Of a single category the store selects what correlates.
  const isOurs = (message: RecordedMessage) =>
    !isOfAll || (correlates(consumer.options, message) && !isOwn(consumer.id, message))

  return (message: RecordedMessage) => {
    const member = members.of(message)
    if (member === undefined || message.globalPosition <= member.mark.position() || !isOurs(message)) return
    const urgency = isNew(message) ? "soon" : "at the end"
    if (!consumer.handles(message)) {
      member.mark.pass(message.globalPosition)
      if (urgency === "soon") {
        member.touch(urgency)
        onDone()
      }
      return
    }
    const ticket = member.mark.begin(message.globalPosition, message.time.epochMilliseconds)
    lanes.offer(message, () => {
      member.mark.done(ticket)
      member.touch(urgency)
      onDone()
    })
  }
}

export const make = Effect.fnUntraced(function*(
  consumer: Consumer<unknown, unknown>,
  { lanes, members, onDone, persist, reader }: Options
): Effect.fn.Return<Follower> {
  const { batchSize = defaultBatchSize, poll } = consumer.options
  const isOfAll = readsAll(consumer)
  const isNew = isNews(consumer)
  const conditions = makeConditions()
  const poke = yield* Latch.make()
  const dispatch = makeDispatch(consumer, { lanes, members }, () => {
    onDone()
    conditions.check()
  })

  let next = members.lowest() + 1
  let passesBegun = 0
  let passesEnded = 0

  const take = ({ messages, through }: ReadPageResult) =>
    Effect.suspend(() => {
      messages.forEach(dispatch)
      // Of a single category a position is that of a message, as it is for other clients of the store.
      if (isOfAll) members.all.forEach(({ mark }) => mark.pass(through))
      next = through + 1
      return lanes.awaitRoom(batchSize)
    })

  /** One pass: reads to the end, each page while the handlers work on the one before it. */
  const readToEnd = Effect.gen(function*() {
    let page = yield* reader.read(next)
    let hasNews = page.messages.some(isNew)
    while (page.hasMore) {
      ;[, page] = yield* Effect.all([take(page), reader.read(page.through + 1)], { concurrency: 2 })
      hasNews ||= page.messages.some(isNew)
    }
    yield* take(page)
    return { heldBack: page.heldBack, through: page.through, hasNews }
  })

  const run = Effect.gen(function*() {
    const pause = PollPause.make(poll)
    let heldBackAt: number | undefined
    while (true) {
      passesBegun += 1
      const pass = passesBegun
      const { hasNews, heldBack, through } = yield* persist(readToEnd)
      const isHeldBack = Option.isSome(heldBack)
      // A pass that was held back has not seen all that is written.
      if (!isHeldBack) passesEnded = pass
      conditions.check()
      const hasMoved = isHeldBack && heldBackAt !== through
      heldBackAt = isHeldBack ? through : undefined
      // Writes behind the gap wake the reader, and give it no reason to read without a rest.
      if (isHeldBack && !hasMoved) yield* Effect.sleep(heldBackRest)
      yield* Effect.raceFirst(reader.wait(pause.next(hasNews || hasMoved)), poke.await)
      poke.closeUnsafe()
    }
  })

  const waitFor = (globalPosition: number) =>
    Effect.suspend(() => {
      // A pass that begins after this call finds all that is written now; what it doesn't find is not this consumer's.
      const pass = passesBegun + 1
      const isMet = () =>
        (next > globalPosition || passesEnded >= pass) &&
        (members.oldest()?.position ?? Number.POSITIVE_INFINITY) > globalPosition
      if (isMet()) return Effect.void
      if (next <= globalPosition) poke.openUnsafe()
      return conditions.wait(isMet)
    })

  return { run, lastRead: () => next - 1, waitFor }
})
