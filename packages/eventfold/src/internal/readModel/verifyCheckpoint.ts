import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MessageStore } from "../../MessageStore.ts"
import { type Build, type Checkpoint, ReadModelStore } from "../../ReadModelStore.ts"
import type { StoreIdentity } from "../../StoreBackend.ts"
import { log } from "../runtime/log.ts"
import * as InProcess from "../store/inProcess.ts"
import { isSame } from "../store/lineage.ts"
import { StoreChanged } from "./errors.ts"

/** The checkpoint of a build that has handled nothing. */
export const initialCheckpoint = (store: StoreIdentity, history: number): Checkpoint => ({
  position: 0,
  last: Option.none(),
  store,
  history
})

/**
 * Makes sure that a build's checkpoint belongs to the log as it is now, and returns the build to continue with.
 *
 * When the log still has the message that the build handled last, everything up to that message is the same. Then a store
 * that has become another one (a standby that was promoted, a copy) only costs the way back to that message, because what
 * the build skipped after it may differ. A message that went with its stream counts as one that the log has: the store remembers
 * its id. Without that message nothing is certain, and it is `StoreChanged`.
 */
export const verifyCheckpoint = Effect.fnUntraced(function*(build: Build) {
  const messages = yield* MessageStore
  const { checkpoint: { last, position, store }, checkpoint, number, readModel } = build
  const identity = yield* messages.identity
  const lastPosition = yield* messages.lastPosition
  if (Option.isSome(last)) {
    const { globalPosition, id } = last.value
    const found = Option.map(yield* messages.messageAt(globalPosition), (message) => message.id)
    const isThere = Option.contains(found, id) ||
      (Option.isNone(found) && (yield* messages[InProcess.TypeId].wasDeleted(globalPosition, id)))
    if (!isThere) {
      return yield* new StoreChanged({ readModel, position: globalPosition, id, found, lastPosition })
    }
  }
  if (isSame(identity, store) && lastPosition >= position) return build
  const to: Checkpoint = {
    ...checkpoint,
    position: Option.match(last, { onNone: () => 0, onSome: ({ globalPosition }) => globalPosition }),
    store: identity
  }
  yield* log("Warn", "read model found a restored or copied store; it resumes after the last message it handled", {
    readModel,
    build: number,
    after: to.position,
    was: store,
    is: identity
  })
  return yield* (yield* ReadModelStore).rewind(build, to)
})
