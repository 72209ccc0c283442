import type * as Effect from "effect/Effect"
import type { FoldPage, StoreBackend } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import type { StreamName } from "../../StreamName.ts"
import { readSpan } from "./measured.ts"
import { inSpan } from "./spans.ts"

/** Reads of streams for folds, beside the one for all readers. */
export interface FoldReads {
  /** The `readStream` of the service that these reads stand in for. A program may have wrapped the service with one of its own. */
  readonly insteadOf: unknown
  readonly read: (streamName: StreamName, from: number) => Effect.Effect<FoldPage | undefined, StoreError>
}

export const make = (
  backend: Pick<StoreBackend, "readForFold" | "systemName">,
  insteadOf: unknown
): FoldReads | undefined => {
  const { readForFold } = backend
  if (readForFold === undefined) return undefined
  const { attributes, kind } = readSpan(backend, "readStream")
  return {
    insteadOf,
    read: (streamName, from) =>
      inSpan(
        "MessageStore.readStream",
        () => ({ kind, attributes: { ...attributes, "eventfold.stream": streamName } }),
        () => readForFold(streamName, from)
      )
  }
}
