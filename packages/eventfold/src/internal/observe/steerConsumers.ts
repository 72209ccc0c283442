import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Rewind from "../consumer/rewind.ts"
import { make as makeParking, type Owner } from "../parking/category.ts"
import * as Requests from "../parking/requests.ts"
import * as States from "../parking/states.ts"
import { checkInt } from "../store/argumentChecks.ts"
import { type Author, type AuthorWithReason, checkAuthor, NotAsSeen, recorded } from "./asSeen.ts"

/**
 * What was looked at of a parked stream: of an entry of `Parking.list`, how many messages wait, and where the last of them is. Both the
 * same means the same messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamSeen {
  /** How many messages wait in the stream, from 1. */
  readonly messages: number
  /** The global position of the last of them. */
  readonly last: number
}

/**
 * What was looked at of all that waits for a consumer: of an entry of `Parking.owners`.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnerSeen {
  /** How many streams are parked, from 1. */
  readonly streams: number
  /** How many messages wait in them. */
  readonly messages: number
}

const messagesOf = (count: number) => count === 1 ? "1 message" : `${count} messages`

/** How what waits has changed, in words. */
const changeOf = (expected: number, actual: number): string => {
  if (actual === expected) return "others were parked and settled since"
  const difference = actual > expected
    ? `${actual - expected} more were parked since`
    : `${expected - actual} were settled since`
  return `${difference}, ${messagesOf(actual)} wait`
}

const describe = ({ category, id }: Owner): string => `consumer ${id} on ${category}`

const isSame = (expected: StreamSeen, actual: StreamSeen | undefined): boolean =>
  actual?.messages === expected.messages && actual.last === expected.last

const seenOf = (contents: States.Contents): StreamSeen | undefined => {
  const last = States.oldestFirst(contents).at(-1)
  return last === undefined ? undefined : { messages: contents.summary.waiting, last: last.globalPosition }
}

const json = (seen: StreamSeen | undefined): Schema.Json => seen === undefined ? null : { ...seen }

/** Refuses unless exactly the messages wait that were looked at. */
const streamAsSeen =
  (owner: Owner, stream: string, expected: StreamSeen): Requests.Guard<States.Contents, NotAsSeen> => (contents) => {
    const actual = seenOf(contents)
    return isSame(expected, actual) ? undefined : new NotAsSeen({
      subject: `what waits of ${stream} for ${describe(owner)}`,
      expected: json(expected),
      actual: json(actual),
      change: changeOf(expected.messages, actual?.messages ?? 0)
    })
  }

const checkSeen = ({ last, messages }: StreamSeen) =>
  Effect.andThen(checkInt("expected.messages", messages, 1), checkInt("expected.last", last, 0))

export interface ReplayOptions extends Author {
  /** A stream of the cardinal id, such as `account-123`. */
  readonly stream: string
  /** How many messages to replay, the oldest first, from 1. Defaults to all that wait, with those that are parked during the replay. */
  readonly limit?: number | undefined
  readonly expected: StreamSeen
}

export const replay = Effect.fnUntraced(function*(owner: Owner, options: ReplayOptions) {
  const { expected, limit, stream } = options
  yield* checkAuthor(options)
  yield* checkInt("limit", limit, 1)
  yield* checkSeen(expected)
  yield* Requests.checkStream(owner, stream)
  const parking = yield* makeParking(owner)
  const one = { id: parking.idOf(stream), stream }
  const request = Requests.replayContents(parking, one, limit, streamAsSeen(owner, stream, expected))
  yield* recorded(request, options, () => ({
    action: "Parking.replay",
    subject: owner.id,
    details: { category: owner.category, stream, limit, messages: expected.messages }
  }))
})

export interface ReplayAllOptions extends Author {
  /** How many messages of each stream to replay, from 1. Defaults to all that wait, with those that are parked during the replay. */
  readonly limit?: number | undefined
  readonly expected: OwnerSeen
}

export const replayAll = Effect.fnUntraced(function*(owner: Owner, options: ReplayAllOptions) {
  const { expected, limit } = options
  yield* checkAuthor(options)
  yield* checkInt("limit", limit, 1)
  yield* checkInt("expected.streams", expected.streams, 1)
  yield* checkInt("expected.messages", expected.messages, 1)
  const parking = yield* makeParking(owner)
  // Before the transaction, which is short then. What is parked for other streams meanwhile is not replayed.
  const streams = yield* Requests.waitingStreams(parking)
  const actual: OwnerSeen = {
    streams: streams.length,
    messages: streams.reduce((sum, { waiting }) => sum + waiting, 0)
  }
  const refusal = (actual: OwnerSeen) =>
    new NotAsSeen({
      subject: `what waits for ${describe(owner)}`,
      expected: { ...expected },
      actual: { ...actual },
      change: `${
        changeOf(expected.messages, actual.messages)
      } in ${actual.streams} streams, which were ${expected.streams}`
    })
  if (actual.streams !== expected.streams || actual.messages !== expected.messages) return yield* refusal(actual)
  const requests = Effect.forEach(
    streams,
    (one) =>
      Requests.replay(parking, one, limit, ({ waiting }) =>
        waiting === one.waiting
          ? undefined
          : refusal({ ...actual, messages: actual.messages + waiting - one.waiting })),
    { discard: true }
  )
  yield* recorded(requests, options, () => ({
    action: "Parking.replay",
    subject: owner.id,
    details: { category: owner.category, limit, ...actual }
  }))
})

export type DropOptions =
  & AuthorWithReason
  & {
    /** A stream of the cardinal id, such as `account-123`. */
    readonly stream: string
  }
  & (
    | { readonly expected: StreamSeen; readonly globalPosition?: undefined }
    | {
      /** The global position of the message to drop. It is its own guard: it has to wait still. */
      readonly globalPosition: number
      readonly expected?: undefined
    }
  )

/** Refuses unless a message still waits. */
const messageAsSeen = (
  owner: Owner,
  stream: string,
  globalPosition: number
): Requests.Guard<States.Contents, NotAsSeen> =>
(contents) =>
  States.oldestFirst(contents).some((message) => message.globalPosition === globalPosition) ?
    undefined :
    new NotAsSeen({
      subject: `what waits of ${stream} for ${describe(owner)}`,
      expected: { globalPosition },
      actual: json(seenOf(contents)),
      change: `the message at ${globalPosition} does not wait any longer`
    })

export const drop = Effect.fnUntraced(function*(owner: Owner, options: DropOptions) {
  const { reason, stream } = options
  yield* checkAuthor(options)
  yield* Requests.checkStream(owner, stream)
  const parking = yield* makeParking(owner)
  const { expected, globalPosition } = options
  if (expected === undefined) yield* checkInt("globalPosition", globalPosition, 0)
  else yield* checkSeen(expected)
  const guard = expected === undefined
    ? messageAsSeen(owner, stream, options.globalPosition)
    : streamAsSeen(owner, stream, expected)
  return yield* recorded(
    Requests.drop(parking, { stream, globalPosition, reason }, guard),
    options,
    (messages) => ({
      action: "Parking.drop",
      subject: owner.id,
      details: { category: owner.category, stream, globalPosition, messages }
    })
  )
})

export interface RewindOptions extends AuthorWithReason, Pick<Rewind.RewindOptions, "to"> {
  /** The position that was looked at; of a group the lowest of its members. */
  readonly expected: number
}

const targetOf = (to: Rewind.RewindOptions["to"]): Schema.Json =>
  to === "beginning" ? to : "position" in to ? { position: to.position } : { time: DateTime.formatIso(to.time) }

export const rewind = (owner: Owner, options: RewindOptions) =>
  Effect.gen(function*() {
    yield* checkAuthor(options)
    const { expected, to } = options
    const plan = yield* Effect.catchTag(Rewind.plan(owner, { to, expected }), "ConsumerMoved", ({ actual }) =>
      Effect.fail(
        new NotAsSeen({
          subject: describe(owner),
          expected,
          actual,
          change: `it was at ${expected} and is at ${actual}`
        })
      ))
    return yield* recorded(Rewind.apply(plan), options, (rewound) => ({
      action: "Consumer.rewind",
      subject: owner.id,
      details: {
        category: owner.category,
        to: targetOf(to),
        position: plan.after,
        from: rewound.map(({ from, member }) =>
          member === undefined ? { position: from } : { member, position: from }
        )
      }
    }))
    // The leases outlive the transaction: a member that started before the commit would begin at the old position.
  }).pipe(Effect.scoped)
