/**
 * What a process of one id has done, from the store alone: its reactions, each with what it wrote.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type MessagePlace, placeOf, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { handledType } from "../category/messageCodec.ts"
import * as InProcess from "../store/inProcess.ts"
import { causeOf, isCause, type Traced } from "../store/traces.ts"
import * as Deadlines from "./deadlines.ts"
import type { ProcessHistory, Reacted } from "./processStatus.ts"
import { reactionId } from "./react.ts"

/** The own stream's messages of one reaction, in order. */
interface Own {
  readonly trigger: number | undefined
  readonly messages: Array<RecordedMessage>
}

/** The messages of a reaction are beside one another, and name one cause. They come newest first. */
const grouped = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<Own> => {
  const groups: Array<Own> = []
  for (const message of messages) {
    const trigger = Option.getOrUndefined(causeOf(message.metadata))?.globalPosition
    const last = groups.at(-1)
    if (last !== undefined && trigger !== undefined && last.trigger === trigger) last.messages.unshift(message)
    else groups.push({ trigger, messages: [message] })
  }
  return groups
}

/** How many messages of the own stream are read for each reaction that is asked for. Most have one or two. */
const messagesPerReaction = 4

/** How many effects are looked at: a page of reactions has a few for each. */
const mostEffects = 1_000

/** How many deadlines of one process are looked at. */
const mostDeadlines = 1_000

/** The effects of a trigger that one process has written: their ids follow from it. Others react to the same message. */
const writtenBy = (
  process: string,
  trigger: RecordedMessage,
  effects: ReadonlyArray<Traced>
): ReadonlyArray<MessagePlace> => {
  const counts = new Map<string, number>()
  return effects.flatMap(({ cause, message }) => {
    if (!Option.exists(cause, (named) => isCause(named, trigger))) return []
    const index = counts.get(message.streamName) ?? 0
    if (reactionId(process, trigger, message.streamName, index) !== message.id) return []
    counts.set(message.streamName, index + 1)
    return [message]
  })
}

export interface HistoryOptions {
  readonly before?: number | undefined
  readonly limit: number
  readonly window: number
}

export const history = Effect.fnUntraced(function*(
  { category, name }: { readonly category: string; readonly name: string },
  id: string,
  { before, limit, window }: HistoryOptions
) {
  const store = yield* MessageStore
  const streamName = yield* Effect.mapError(
    StreamName.make(yield* StreamName.parseCategory(category), id),
    ({ reason }) => new InvalidArgument({ argument: "id", value: JSON.stringify(id), expected: `an id: it ${reason}` })
  )
  const size = limit * messagesPerReaction
  const read = yield* before === 0 ? Effect.succeed([]) : Stream.runCollect(store.readStream(streamName, {
    direction: "backwards",
    limit: size + 1,
    ...(before === undefined ? {} : { from: before - 1 })
  })).pipe(Effect.catchTag("InvalidStreamName", Effect.die))
  const groups = grouped(read)
  // The last group may have more messages than were read.
  const isCut = read.length > size
  const shown = groups.slice(0, isCut && groups.length > 1 ? Math.min(limit, groups.length - 1) : limit)
  const oldest = shown.at(-1)?.messages[0]
  const hasMore = isCut || groups.length > shown.length

  const triggers = new Map<number, RecordedMessage>()
  yield* Effect.forEach(
    new Set(shown.map(({ trigger }) => trigger)),
    (position) =>
      position === undefined ? Effect.void : Effect.map(store.messageAt(position), (found) => {
        if (Option.isSome(found)) triggers.set(position, found.value)
      }),
    { discard: true }
  )
  const causes = [...triggers.values()]
  const { trace } = store[InProcess.TypeId]
  const page = trace === undefined || causes.length === 0 ? undefined : yield* trace.effects({
    causes,
    after: Math.min(...causes.map(({ globalPosition }) => globalPosition)),
    limit: mostEffects,
    window
  })
  const effects = page?.messages ?? []

  const deadlineCategory = Deadlines.category(name)
  const deadlineStream = `${deadlineCategory.categoryName}-${id}`
  const set = new Map<number, { readonly name: string; readonly due: Reacted["deadlines"][number]["due"] }>()
  if (effects.some(({ message }) => message.streamName === deadlineStream)) {
    const stored = yield* Stream.runCollect(
      store.readStream(deadlineStream, { direction: "backwards", limit: mostDeadlines })
    ).pipe(Effect.catchTag("InvalidStreamName", Effect.die))
    for (const message of stored) {
      // One that does not decode is shown among the messages that were sent.
      const event = yield* Effect.orElseSucceed(deadlineCategory.decode(message), Option.none)
      if (Option.isSome(event) && event.value.type === "Set") set.set(message.globalPosition, event.value.data)
    }
  }

  const found: ProcessHistory = {
    process: name,
    id,
    streamName,
    reactions: shown.map(({ messages, trigger: position }): Reacted => {
      const trigger = position === undefined ? undefined : triggers.get(position)
      const others = trigger === undefined ?
        [] :
        writtenBy(name, trigger, effects).filter((one) => one.streamName !== streamName)
      return {
        trigger: Option.fromUndefinedOr(position),
        message: Option.map(Option.fromUndefinedOr(trigger), placeOf),
        events: messages.filter(({ type }) => type !== handledType).map(placeOf),
        sent: others.filter(({ globalPosition }) => !set.has(globalPosition)),
        deadlines: others.flatMap((message) => {
          const deadline = set.get(message.globalPosition)
          return deadline === undefined ? [] : [{ name: deadline.name, due: deadline.due, message }]
        })
      }
    }),
    isComplete: page === undefined ? causes.length === 0 : page.isComplete,
    next: hasMore ? Option.fromUndefinedOr(oldest?.position) : Option.none()
  }
  return found
})
