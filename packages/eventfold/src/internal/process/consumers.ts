import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Category from "../../Category.ts"
import * as Consumer from "../../Consumer.ts"
import * as Entity from "../../Entity.ts"
import type { RecordedMessage } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"
import { log } from "../runtime/log.ts"
import * as Deadlines from "./deadlines.ts"
import * as DeadlineTimer from "./deadlineTimer.ts"
import { react } from "./react.ts"
import { type Deadline, type Reacted, SentTypeId, type SourceOptions } from "./reaction.ts"

/** A process without its sources and deadlines. */
export interface Base<E extends Category.Events, O extends Category.Options, S> {
  readonly name: string
  readonly entity: Entity.Entity<Category.Category<E, O>, S>
  readonly deadlineCategory: Deadlines.DeadlineCategory
  readonly options: Consumer.Options
}

/** A consumer of a process. `Process.Definition` has its errors and requirements. */
export type AnyConsumer = Consumer.Consumer<unknown, unknown>

type Id<E extends Category.Events, O extends Category.Options> = Category.Id<Category.Category<E, O>>

type AnyReacted<E extends Category.Events, O extends Category.Options> = Reacted<
  Category.Event<Category.Category<E, O>>,
  string
>

type OnEvent<E extends Category.Events, O extends Category.Options, S> = (
  state: S,
  event: { readonly recorded: RecordedMessage },
  id: Id<E, O>
) => AnyReacted<E, O>

/** The reaction to a deadline that has passed. */
export type OnDeadline<E extends Category.Events, O extends Category.Options, S> = (
  state: S,
  deadline: Deadline,
  id: Id<E, O>
) => AnyReacted<E, O>

/** The id of the process that a stream of another category is for by its own id. */
const idIn = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  streamName: string
): Effect.Effect<Id<E, O> | undefined, StreamName.InvalidStreamName> =>
  Option.match(StreamName.id(streamName), {
    onNone: () => Effect.undefined,
    onSome: (id) => category.id(`${category.categoryName}-${id}`)
  })

/** Encodes what a reaction gives. */
const toWrites = Effect.fnUntraced(function*<E extends Category.Events, O extends Category.Options>(
  deadlineCategory: Deadlines.DeadlineCategory,
  processStream: StreamName.StreamName,
  reacted: AnyReacted<E, O>
) {
  const { deadlines = {}, events = [], send = [] } = (Effect.isEffect(reacted) ? yield* reacted : reacted) ?? {}
  const sent = yield* Effect.forEach(Arr.ensure(send), (sent) => sent[SentTypeId])
  const set = yield* Deadlines.toAppends(deadlineCategory, processStream, deadlines)
  return { events: Arr.ensure(events), messages: [...sent, ...set] }
})

/** Reacts to a message in the state of a process, and writes the outcome. */
const respond = Effect.fn("Process.react")(
  function*<E extends Category.Events, O extends Category.Options, S>(
    { deadlineCategory, entity, name }: Base<E, O, S>,
    trigger: RecordedMessage,
    id: Id<E, O>,
    reaction: (state: S) => AnyReacted<E, O>
  ) {
    const stream = yield* Entity.streamOf(entity.at(id))
    yield* Effect.annotateCurrentSpan({ "messaging.consumer.group.name": name, "eventfold.stream": stream.streamName })
    const decide = (state: S) => Effect.suspend(() => toWrites(deadlineCategory, stream.streamName, reaction(state)))
    const written = yield* react(name, trigger, stream, decide, Entity.defaultRetry)
    if (Option.isSome(written)) yield* Effect.annotateCurrentSpan("eventfold.written_position", written.value)
    return written
  }
)

/** The consumer that reacts to the events of a category. */
export const ofSource = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  From extends Category.Any
>(
  process: Base<E, O, S>,
  from: From,
  reactions: object,
  { id: idOf, ...options }: SourceOptions<Category.Category<E, O>, From> = {}
): AnyConsumer => {
  const handler = (reaction: OnEvent<E, O, S>) =>
    Effect.fnUntraced(function*(event: Category.RecordedEvent<From>) {
      const { recorded } = event
      const id = idOf === undefined ? yield* idIn(process.entity.category, recorded.streamName) : idOf(event)
      if (id !== undefined) yield* respond(process, recorded, id, (state) => reaction(state, event, id))
    })
  // `Process.Definition` has the types of the reactions.
  const handlers = typeof reactions === "function"
    ? handler(reactions as OnEvent<E, O, S>)
    : Object.fromEntries(
      Object.entries<OnEvent<E, O, S>>({ ...reactions }).map(([type, reaction]) => [type, handler(reaction)])
    )
  return Consumer.make(process.name, { ...process.options, ...options }).on(from, handlers as never)
}

/**
 * The consumer that reacts to deadlines that have passed, with the timer that says so. There is one of it: the members of a
 * consumer group share the sources, not the deadlines.
 */
export const ofDeadlines = <E extends Category.Events, O extends Category.Options, S>(
  process: Base<E, O, S>,
  reactions: ReadonlyMap<string, OnDeadline<E, O, S>>
): AnyConsumer => {
  const { deadlineCategory, entity, name, options } = process
  const consumer = Consumer.make(name, {
    ...options,
    start: undefined,
    group: undefined,
    correlation: undefined
  }).on(deadlineCategory, {
    // For the timer. Decoded here as well, so that the failure policy applies to one that does not decode.
    Set: () => Effect.void,
    Passed: Effect.fnUntraced(function*({ data, recorded }) {
      const id = yield* idIn(entity.category, recorded.streamName)
      const reaction = reactions.get(data.name)
      if (id !== undefined && reaction !== undefined) {
        yield* respond(process, recorded, id, (state) => reaction(state, { ...data, recorded }, id))
        return
      }
      yield* log("Warn", "process skips a deadline that it does not define", {
        process: name,
        streamName: recorded.streamName,
        deadline: data.name
      })
    })
  })
  return { ...consumer, background: (options) => DeadlineTimer.run(deadlineCategory, name, options) }
}
