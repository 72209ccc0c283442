import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, type Checkpoint, ReadModelStore } from "../../ReadModelStore.ts"
import type { StoreIdentity } from "../../StoreBackend.ts"
import { log } from "../runtime/log.ts"
import { StoreChanged } from "./errors.ts"

const keys = ["system", "database", "timeline"] as const

/** Whether it is the same store, as far as both can tell. */
const isSame = (a: StoreIdentity, b: StoreIdentity): boolean =>
  keys.every((key) => a[key] === undefined || b[key] === undefined || a[key] === b[key])

/** Where a read model begins that has handled nothing. */
export const beginning = (store: StoreIdentity, history: number): Checkpoint => ({
  position: 0,
  last: Option.none(),
  store,
  history
})

/**
 * A build whose checkpoint is good for the log as it is now. When the store has become another one (a standby that took
 * over, a copy), but has the last message that was handled, everything up to that is the same; what was passed over after
 * it may not be. Without that message nothing is certain.
 */
export const verified = Effect.fnUntraced(function*(build: Build) {
  const messages = yield* MessageStore
  const { checkpoint: { last, position, store }, checkpoint, number, readModel } = build
  const identity = yield* messages.identity
  const lastPosition = yield* messages.lastPosition
  if (Option.isSome(last)) {
    const { globalPosition, id } = last.value
    const found = Option.map(yield* messages.messageAt(globalPosition), (message) => message.id)
    if (!Option.contains(found, id)) {
      return yield* new StoreChanged({ readModel, position: globalPosition, id, found, lastPosition })
    }
  }
  if (isSame(identity, store) && lastPosition >= position) return build
  const to: Checkpoint = {
    ...checkpoint,
    position: Option.match(last, { onNone: () => 0, onSome: ({ globalPosition }) => globalPosition }),
    store: identity
  }
  yield* log("Warn", "the message store is another one, which has all that the read model has handled: it goes on", {
    readModel,
    build: number,
    after: to.position,
    was: store,
    is: identity
  })
  return yield* (yield* ReadModelStore).rewind(build, to)
})
