import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import type { Message } from "../../Message.ts"
import type { AppendResult, StoreBackend } from "../../StoreBackend.ts"
import type { Unsupported } from "../../StoreError.ts"
import { checkDistinctIds, encodeAppend } from "./encodeAppend.ts"
import { unlessHandling } from "./independence.ts"
import type { Append, AppendError, AppendOptions } from "./options.ts"
import type { WakeUpHub } from "./wakeUpHub.ts"

/** The operations that write. */
export const makeAppends = (backend: Pick<StoreBackend, "append" | "writeAll">, { waking }: WakeUpHub) => {
  // Not Effect.fn: its look at the caller's stack costs more than all else that happens here for an append.
  const append = (
    streamName: string,
    messages: Message | ReadonlyArray<Message>,
    options?: AppendOptions
  ): Effect.Effect<AppendResult, AppendError> =>
    Effect.useSpan(
      "MessageStore.append",
      { attributes: { "eventfold.stream": streamName } },
      (span) =>
        encodeAppend({ ...options, streamName, messages }).pipe(
          Effect.flatMap((encoded) =>
            Effect.andThen(checkDistinctIds([encoded]), waking([encoded], backend.append(encoded)))
          ),
          (write) => unlessHandling("append", write),
          Effect.provideService(Tracer.ParentSpan, span)
        )
    )

  const writeAll = Effect.fn("MessageStore.writeAll")(function*(
    appends: ReadonlyArray<Append>
  ): Effect.fn.Return<ReadonlyArray<AppendResult>, AppendError | Unsupported> {
    yield* Effect.annotateCurrentSpan("eventfold.streams", appends.length)
    const encoded = yield* Effect.forEach(appends, encodeAppend)
    yield* checkDistinctIds(encoded)
    return encoded.length === 0
      ? []
      : yield* unlessHandling("writeAll", waking(encoded, backend.writeAll(encoded)))
  })

  return { append, writeAll }
}
