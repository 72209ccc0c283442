/**
 * What operators ask of parked streams: replays and drops. A guard can refuse, by what waits at the moment at which it would be done.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import { InvalidArgument } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { allName } from "../store/bookkeeping.ts"
import { cardinalStream, type Event, type Owner, type ParkingCategory, storableText } from "./category.ts"
import * as ParkedStreams from "./parkedStreams.ts"
import * as States from "./states.ts"

/** A parked stream in which messages wait. */
export interface WaitingStream {
  /** The id of the parked stream. */
  readonly id: string
  /** The category and the cardinal id of its messages. */
  readonly stream: string
  /** How many wait. */
  readonly waiting: number
  /** The global position of the message by which it was parked. */
  readonly parkedAt: number
}

/** Gives the error when the request is to be refused. */
export type Guard<S, E> = (state: S) => E | undefined

export const checkStream = (owner: Owner, stream: string): Effect.Effect<void, InvalidArgument> =>
  owner.category === allName || StreamName.category(stream) === owner.category
    ? Effect.void
    : Effect.fail(
      new InvalidArgument({
        argument: "stream",
        value: stream,
        expected: `the name of a stream of ${owner.category}, such as ${owner.category}-123`
      })
    )

/** The streams in which messages wait, in the order in which they were parked. */
export const waitingStreams = Effect.fnUntraced(function*(parking: ParkingCategory) {
  const streams = new Map<string, ParkedStreams.ParkedStream & Pick<WaitingStream, "parkedAt">>()
  yield* ParkedStreams.readAll(parking, 1, (id, event) => {
    const known = streams.get(id)
    const stream = ParkedStreams.after(known, event)
    if (stream.fold.state.waiting === 0) streams.delete(id)
    else streams.set(id, { ...stream, parkedAt: known?.parkedAt ?? event.recorded.globalPosition })
  })
  return Arr.map([...streams], ([id, { fold, parkedAt, streamName }]): WaitingStream => ({
    id,
    stream: cardinalStream(streamName),
    waiting: fold.state.waiting,
    parkedAt
  }))
})

/** The parked stream in which the messages of a stream wait; none when none does. */
export const waitingOf = Effect.fnUntraced(function*(parking: ParkingCategory, stream: string) {
  const id = parking.idOf(stream)
  let parkedAt: number | undefined
  const { state } = yield* ParkedStreams.catchUp(
    parking,
    {
      initial: States.summary.initial,
      evolve: (state, event) => {
        const next = States.summary.evolve(state, event)
        if (next.waiting === 0) parkedAt = undefined
        else parkedAt ??= event.recorded.globalPosition
        return next
      }
    },
    id,
    ParkedStreams.unread(States.summary)
  )
  return parkedAt === undefined ? [] : [{ id, stream: cardinalStream(stream), waiting: state.waiting, parkedAt }]
})

/** Decides on the latest state of a parked stream, unless the guard refuses. */
const decideGuarded = <S, Reply, E>(
  parking: ParkingCategory,
  folding: States.Folding<S>,
  id: string,
  guard: Guard<S, E>,
  decision: (state: S) => readonly [reply: Reply, events: ReadonlyArray<Event>]
) =>
  Effect.flatMap(
    ParkedStreams.decide(
      parking,
      folding,
      id,
      (state): readonly [Result.Result<Reply, E>, ReadonlyArray<Event>] => {
        const refusal = guard(state)
        if (refusal !== undefined) return [Result.fail(refusal), []]
        const [reply, events] = decision(state)
        return [Result.succeed(reply), events]
      }
    ),
    Effect.fromResult
  )

const requestIn = <S, E>(
  folding: States.Folding<S>,
  waitingOf: (state: S) => number
) =>
(
  parking: ParkingCategory,
  { id, stream }: Pick<WaitingStream, "id" | "stream">,
  limit: number | undefined,
  guard: Guard<S, E>
) => {
  const request = parking.category.events.ReplayRequested(
    limit === undefined ? { streamName: stream } : { streamName: stream, limit }
  )
  return decideGuarded(parking, folding, id, guard, (state) => waitingOf(state) === 0 ? [0, []] : [1, [request]])
}

/** Requests a replay of a stream. Gives 1, or 0 when nothing waits in it. */
export const replay = <E = never>(
  parking: ParkingCategory,
  stream: Pick<WaitingStream, "id" | "stream">,
  limit: number | undefined,
  guard: Guard<States.Summary, E> = () => undefined
) => requestIn<States.Summary, E>(States.summary, ({ waiting }) => waiting)(parking, stream, limit, guard)

/** The same, with a guard that looks at the messages that wait. */
export const replayContents = <E>(
  parking: ParkingCategory,
  stream: Pick<WaitingStream, "id" | "stream">,
  limit: number | undefined,
  guard: Guard<States.Contents, E>
) => requestIn<States.Contents, E>(States.contents, ({ summary }) => summary.waiting)(parking, stream, limit, guard)

/** Drops one waiting message of a stream, or all. Gives how many. */
export const drop = <E = never>(
  parking: ParkingCategory,
  { globalPosition, reason, stream }: {
    readonly stream: string
    readonly globalPosition?: number | undefined
    readonly reason: string
  },
  guard: Guard<States.Contents, E> = () => undefined
) => {
  const { Dropped } = parking.category.events
  const data = { streamName: cardinalStream(stream), reason: storableText(reason) }
  return decideGuarded(parking, States.contents, parking.idOf(stream), guard, ({ messages }) => {
    if (globalPosition === undefined) {
      const count = HashMap.size(messages)
      return [count, count === 0 ? [] : [Dropped(data)]]
    }
    return HashMap.has(messages, globalPosition) ? [1, [Dropped({ ...data, globalPosition })]] : [0, []]
  })
}
