import * as Arr from "effect/Array"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import type { Message } from "../../Message.ts"
import type { AppendResult, EncodedAppend, StoreBackend } from "../../StoreBackend.ts"
import type { Unsupported } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"
import { messaging } from "../runtime/semantics.ts"
import { encodeAppend, findRefusal } from "./encodeAppend.ts"
import { refusalInHandler, unlessHandling } from "./independence.ts"
import * as JointWrites from "./jointWrites.ts"
import * as KeptAppends from "./keptAppends.ts"
import type { Append, AppendError, AppendOptions } from "./options.ts"
import { inSpan } from "./spans.ts"
import type { WakeUpHub } from "./wakeUpHub.ts"

/** What the spans of appends have, by the names of OpenTelemetry. */
const spanAttributes = (operation: string) => ({
  ...messaging,
  "messaging.operation.name": operation,
  "messaging.operation.type": "send"
})

const ofAppend = spanAttributes("append")

/** The options of the span of an append. */
const appendSpan = (
  streamName: string,
  messages: Message | ReadonlyArray<Message>
): Tracer.SpanOptionsNoTrace => ({
  kind: "producer",
  attributes: {
    ...ofAppend,
    "messaging.destination.name": StreamName.category(streamName),
    "messaging.batch.message_count": Arr.ensure(messages).length,
    "eventfold.stream": streamName
  }
})

/** Appends of several callers that are written together, beside those that each writes alone. */
export interface SharedAppends {
  /** The `append` of the service that these stand in for. A program may have wrapped the service with one of its own. */
  readonly insteadOf: unknown
  /** An append of the calling fiber, with its span, its checks and what its context gives to messages, that is written by a function. */
  readonly by: <E>(
    write: (encoded: EncodedAppend) => Effect.Effect<AppendResult, E>,
    streamName: string,
    messages: Message | ReadonlyArray<Message>,
    options: AppendOptions | undefined
  ) => Effect.Effect<AppendResult, AppendError | E>
  /** Writes appends of several callers, all or none. */
  readonly write: (
    appends: ReadonlyArray<EncodedAppend>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, AppendError | Unsupported>
}

/** The operations that write. */
export const makeAppends = (
  backend: Pick<StoreBackend, "append" | "writeAll" | "unreadable"> & KeptAppends.Reads,
  { waking }: WakeUpHub
) => {
  const writeOne = (encoded: EncodedAppend, keeps: boolean) => {
    const write = waking([encoded], backend.append(encoded))
    return keeps ? KeptAppends.appendOrKeep(backend, encoded, write) : write
  }

  /** Checks and encodes an append as one of the calling fiber, and then writes it. */
  const appendBy = <E>(
    write: (encoded: EncodedAppend) => Effect.Effect<AppendResult, E>,
    streamName: string,
    messages: Message | ReadonlyArray<Message>,
    options: AppendOptions | undefined
  ): Effect.Effect<AppendResult, AppendError | E> =>
    inSpan(
      "MessageStore.append",
      () => appendSpan(streamName, messages),
      () =>
        Effect.contextWith((context: Context.Context<never>) => {
          const refusal = refusalInHandler("append", context)
          if (refusal !== undefined) return Effect.fail(refusal)
          return Effect.flatMap(
            encodeAppend({ ...options, streamName, messages }, "mayNotCheck"),
            (encoded): Effect.Effect<AppendResult, AppendError | E> => {
              const refusal = findRefusal(backend, [encoded])
              return refusal === undefined ? write(encoded) : Effect.fail(refusal)
            }
          )
        })
    )

  const append = (
    streamName: string,
    messages: Message | ReadonlyArray<Message>,
    options?: AppendOptions
  ): Effect.Effect<AppendResult, AppendError> =>
    appendBy((encoded) => writeOne(encoded, options?.onDuplicate === "keep"), streamName, messages, options)

  const write = (appends: ReadonlyArray<EncodedAppend>) => waking(appends, backend.writeAll(appends))

  const writeAll = Effect.fn("MessageStore.writeAll", {
    kind: "producer",
    attributes: spanAttributes("writeAll")
  })(function*(
    appends: ReadonlyArray<Append>
  ): Effect.fn.Return<ReadonlyArray<AppendResult>, AppendError | Unsupported> {
    yield* Effect.annotateCurrentSpan({
      "messaging.batch.message_count": appends.reduce((sum, { messages }) => sum + Arr.ensure(messages).length, 0),
      "eventfold.streams": appends.length
    })
    const encoded = yield* Effect.forEach(appends, (append) => encodeAppend(append, "mayCheck"))
    const refusal = findRefusal(backend, encoded)
    if (refusal !== undefined) return yield* refusal
    if (encoded.length === 0) return []
    if (!appends.some(({ onDuplicate }) => onDuplicate === "keep")) {
      return yield* unlessHandling("writeAll", write(encoded))
    }
    const parts = Arr.zipWith(
      encoded,
      appends,
      (append, { onDuplicate }) => ({ append, keeps: onDuplicate === "keep" })
    )
    return yield* unlessHandling("writeAll", KeptAppends.writeAllOrKeep(backend, parts, write))
  })

  /** A refusal is the answer to one of several writes, and so is what the store does not take for good. Other failures are that of all. */
  const joint = JointWrites.make(
    write,
    (error) => error._tag === "StoreError" ? error.isRetryable : error._tag === "Unsupported"
  )

  /** Writes encoded appends, all or none. */
  const writeTogether: SharedAppends["write"] = (appends) => {
    const [first, ...others] = appends
    return first === undefined || others.length > 0 ? joint(appends) : Effect.map(writeOne(first, false), Arr.of)
  }

  const shared: SharedAppends = { insteadOf: append, by: appendBy, write: writeTogether }
  return { append, writeAll, shared }
}
