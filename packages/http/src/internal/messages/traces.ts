/**
 * One message, its effects, and the messages of a correlation. A message that the sender may not read is left out, because a
 * refusal would tell that it is there.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { MessagePlace, RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"
import type { InvalidArgument, StoreError } from "eventfold/StoreError"
import * as StreamName from "eventfold/StreamName"
import * as Trace from "eventfold/Trace"
import type { Limits } from "../../Limits.ts"
import * as Principal from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { authorizeSome } from "../authentication/access.ts"
import { pageLimit } from "../limits/pages.ts"
import { ofRead, ofReadStream, orProblem } from "../problems/failures.ts"

type Store = MessageStore["Service"]

/** Tells which messages the sender may read. Fails when there are none. */
const readable = Effect.gen(function*() {
  yield* authorizeSome("read")
  const principal = yield* Principal.Principal
  return ({ streamName }: Pick<MessagePlace, "streamName">): boolean =>
    Principal.allows(principal, "read", StreamName.category(streamName))
})

/** A message that was looked up, if the sender may read it. */
const readableOf = Effect.fnUntraced(function*(
  found: Effect.Effect<Option.Option<RecordedMessage>, InvalidArgument | StoreError>
) {
  const isReadable = yield* readable
  return yield* Option.filter(yield* orProblem(ofRead)(found), isReadable).pipe(Option.match({
    onNone: () => Effect.fail(new Problem.MessageNotFound({})),
    onSome: (message) => Effect.succeed(message)
  }))
})

/** The message at a global position, if the sender may read it. */
export const readableAt = (store: Store, globalPosition: number) => readableOf(store.messageAt(globalPosition))

/** The message with an id, if the sender may read it. */
export const readableById = (store: Store, id: string) => readableOf(store.messageById(id))

/** A page of the effects of a message. */
export const effects = Effect.fnUntraced(function*(
  store: Store,
  limits: Limits,
  globalPosition: number,
  query: Trace.EffectsOptions
) {
  const limit = yield* pageLimit(limits, query.limit)
  const isReadable = yield* readable
  const cause = yield* readableAt(store, globalPosition)
  const page = yield* Trace.effects(cause, { ...query, limit }).pipe(
    Effect.provideService(MessageStore, store),
    orProblem(ofReadStream)
  )
  return { ...page, effects: page.effects.filter(({ message }) => isReadable(message)) }
})

/** A page of the messages of a correlation. */
export const correlated = Effect.fnUntraced(function*(
  store: Store,
  limits: Limits,
  name: string,
  query: Trace.CorrelatedOptions
) {
  const limit = yield* pageLimit(limits, query.limit)
  const isReadable = yield* readable
  const page = yield* Trace.correlated(name, { ...query, limit }).pipe(
    Effect.provideService(MessageStore, store),
    orProblem(ofReadStream)
  )
  return {
    ...page,
    messages: page.messages.filter(({ message }) => isReadable(message)).map(({ cause, message }) =>
      Option.isNone(cause) ? { message } : { message, cause: causeOf(cause.value) }
    )
  }
})

const causeOf = ({ globalPosition, position, streamName }: Trace.Cause) => ({
  globalPosition,
  ...(Option.isNone(streamName) ? {} : { streamName: streamName.value }),
  ...(Option.isNone(position) ? {} : { position: position.value })
})
