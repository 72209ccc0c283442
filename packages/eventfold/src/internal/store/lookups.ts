import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreBackend } from "../../StoreBackend.ts"
import { InvalidArgument, type StoreError } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { checkInt } from "./argumentChecks.ts"
import { messageId } from "./encodeAppend.ts"
import { readSpan, unknownSystem } from "./measured.ts"
import type { CountAllOptions, CountCategoryOptions } from "./options.ts"
import { categoryRange, countAllRange, globalFrom } from "./readRanges.ts"
import type { StoreDescription } from "./storeDescription.ts"

/** What is known of a store that says nothing of itself. */
const undescribed: Omit<StoreDescription, "identity" | "system"> = {
  serverVersion: Option.none(),
  schemaVersion: Option.none(),
  isStandby: false,
  user: Option.none(),
  bytes: Option.none(),
  relations: [],
  privileges: []
}

const noUuid = (id: string) =>
  Effect.fail(new InvalidArgument({ argument: "id", value: JSON.stringify(id), expected: "a UUID" }))

/** The operations that answer one question with one statement: a message, a position, a count. */
export const makeLookups = (backend: StoreBackend) => {
  const heldBack = Effect.fn("MessageStore.heldBack", readSpan(backend, "heldBack"))(
    function*(options: { readonly from?: number | undefined } = {}) {
      return yield* backend.heldBack(yield* globalFrom(options.from))
    }
  )

  const messageAt = Effect.fn("MessageStore.messageAt", readSpan(backend, "messageAt"))(
    function*(globalPosition: number) {
      yield* checkInt("globalPosition", globalPosition, 0)
      return yield* backend.messageAt(globalPosition)
    }
  )

  const lastMessage = Effect.fn("MessageStore.lastMessage", readSpan(backend, "lastMessage"))(function*(
    name: string,
    options?: { readonly type?: string | undefined }
  ) {
    yield* Effect.annotateCurrentSpan("eventfold.stream", name)
    return yield* backend.lastMessage(yield* StreamName.parse(name), options?.type)
  })

  const streamVersion = Effect.fn("MessageStore.streamVersion", readSpan(backend, "streamVersion"))(
    function*(name: string) {
      yield* Effect.annotateCurrentSpan("eventfold.stream", name)
      return yield* backend.streamVersion(yield* StreamName.parse(name))
    }
  )

  const findMessage = Effect.fn("MessageStore.findMessage", readSpan(backend, "findMessage"))(
    function*(name: string, id: string) {
      yield* Effect.annotateCurrentSpan("eventfold.stream", name)
      const streamName = yield* StreamName.parse(name)
      const wanted = messageId(id)
      return yield* wanted === undefined ? noUuid(id) : backend.findMessage(streamName, wanted)
    }
  )

  const messageById = Effect.fn("MessageStore.messageById", readSpan(backend, "messageById"))(
    function*(id: string) {
      const wanted = messageId(id)
      return yield* wanted === undefined ? noUuid(id) : backend.messageById(wanted)
    }
  )

  const lastCategoryMessage = Effect.fn("MessageStore.lastCategoryMessage", readSpan(backend, "lastCategoryMessage"))(
    function*(name: string) {
      yield* Effect.annotateCurrentSpan("messaging.destination.name", name)
      return yield* backend.lastCategoryMessage(yield* StreamName.parseCategory(name))
    }
  )

  const countCategory = Effect.fn("MessageStore.countCategory", readSpan(backend, "countCategory"))(
    function*(name: string, options: CountCategoryOptions = {}) {
      yield* Effect.annotateCurrentSpan("messaging.destination.name", name)
      return yield* backend.countCategory(yield* categoryRange(name, options))
    }
  )

  const countAll = Effect.fn("MessageStore.countAll", readSpan(backend, "countAll"))(
    function*(options: CountAllOptions = {}) {
      return yield* backend.countAll(yield* countAllRange(options))
    }
  )

  const describe = Effect.gen(function*(): Effect.fn.Return<StoreDescription, StoreError> {
    const identity = yield* backend.identity
    const others = yield* backend.description ?? Effect.succeed(undescribed)
    return { identity, system: backend.systemName ?? unknownSystem, ...others }
  })

  return {
    heldBack,
    messageAt,
    lastMessage,
    streamVersion,
    findMessage,
    messageById,
    lastCategoryMessage,
    countCategory,
    countAll,
    lastPosition: Effect.withSpan(backend.lastPosition, "MessageStore.lastPosition", readSpan(backend, "lastPosition")),
    describe: Effect.withSpan(describe, "MessageStore.describe", readSpan(backend, "describe")),
    identity: Effect.withSpan(backend.identity, "MessageStore.identity", readSpan(backend, "identity"))
  }
}
