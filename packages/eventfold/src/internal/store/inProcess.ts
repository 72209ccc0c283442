import * as Effect from "effect/Effect"
import type { ArchiveBackend } from "../../ArchiveBackend.ts"
import type { Lineage, Positions, StoreBackend, TraceBackend, Transactions } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import type { StreamsBackend } from "../../StreamsBackend.ts"
import type { VerifyBackend } from "../../Verify.ts"
import type { Meter } from "../runtime/meter.ts"
import type { SharedAppends } from "./appends.ts"
import { messageId } from "./encodeAppend.ts"
import * as FoldReads from "./foldReads.ts"
import * as Forgetting from "./forgetting.ts"
import type { NewsWatch } from "./newsWatch.ts"
import type { Runners } from "./runners.ts"
import * as StreamQueues from "./streamQueues.ts"
import { makeStreams } from "./streams.ts"
import type { WakeUpHub } from "./wakeUpHub.ts"

/**
 * The key of {@link InProcess} on the service of a store. It is a string, because the inferred types of wrapped services spell
 * it out, and a program cannot import a symbol from here.
 */
export const TypeId = "~eventfold/MessageStore/InProcess"

/**
 * What all users of one store share within this process. Only eventfold's own modules use it.
 *
 * @category models
 * @since 0.1.0
 */
export interface InProcess {
  readonly streamQueues: StreamQueues.StreamQueues
  /** Reads for folds; `undefined` where there are none, and no use to a service that wraps this one with another `readStream`. */
  readonly foldReads: FoldReads.FoldReads | undefined
  readonly sharedAppends: SharedAppends
  /** Looks for readers that have caught up; `undefined` where each looks for itself. */
  readonly newsWatch: NewsWatch | undefined
  /** The transactions that the store takes part in; `undefined` when it takes part in none. */
  readonly transactions: Transactions | undefined
  /** Notices that the database has become another one; `undefined` where it never does. */
  readonly lineage: Lineage | undefined
  /** Attributes of streams, and deletion; `undefined` when the store has neither. It wakes readers. */
  readonly streams: StreamsBackend | undefined
  /** Whether a message was at a global position and went with its stream. */
  readonly wasDeleted: (globalPosition: number, id: string) => Effect.Effect<boolean, StoreError>
  /** Follows causes to their effects; `undefined` where the store can't. */
  readonly trace: TraceBackend | undefined
  /** Exports and imports; `undefined` where the store can't. */
  readonly archive: ArchiveBackend | undefined
  /** Checks what is stored; `undefined` where the store can't. */
  readonly verify: VerifyBackend | undefined
  /** Runs a write, and wakes the readers of these categories unless it was refused. */
  readonly waking: WakeUpHub["wakingCategories"]
  /** What OpenTelemetry calls the database. */
  readonly systemName: string | undefined
  /** What is kept of streams, and has to go when they are deleted. */
  readonly forgetting: Forgetting.Forgetting
  /** The rows of positions; `undefined` where positions are messages. */
  readonly positions: Positions | undefined
  /** Makes the metrics of what is done with the store. */
  readonly meter: Meter
  /** What runs on the store, here and in other programs. */
  readonly runners: Runners
}

export const make = (
  backend: Pick<
    StoreBackend,
    | "archive"
    | "lineage"
    | "positions"
    | "readForFold"
    | "streams"
    | "systemName"
    | "trace"
    | "transactions"
    | "verify"
  >,
  { readStream, sharedAppends }: { readonly readStream: unknown; readonly sharedAppends: SharedAppends },
  hub: Pick<WakeUpHub, "wakingCategories">,
  meter: Meter,
  runners: Runners,
  newsWatch: NewsWatch | undefined
): InProcess => {
  const forgetting = Forgetting.make()
  return {
    streamQueues: StreamQueues.make(),
    foldReads: FoldReads.make(backend, readStream),
    sharedAppends,
    newsWatch,
    transactions: backend.transactions,
    lineage: backend.lineage,
    positions: backend.positions,
    trace: backend.trace,
    archive: backend.archive,
    verify: backend.verify,
    waking: hub.wakingCategories,
    systemName: backend.systemName,
    streams: makeStreams(backend, hub, forgetting),
    wasDeleted: (globalPosition, id) => {
      const wanted = messageId(id)
      return backend.streams === undefined || wanted === undefined
        ? Effect.succeed(false)
        : backend.streams.wasDeleted(globalPosition, wanted)
    },
    forgetting,
    meter,
    runners
  }
}
