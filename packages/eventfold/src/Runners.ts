/**
 * What runs where: the consumers, processes and read models that run in all programs of a store, with what they do right now.
 *
 * A program tells the store what runs in it, as one row that it updates: at most once a second, and only when something has
 * changed or ten seconds are over. The row goes when the program ends. That of a program that was killed stays for a while, and is
 * known as stale.
 *
 * `Consumer.status` says how far a consumer is by what is stored. This says who works on it, and what holds it up.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as InProcess from "./internal/store/inProcess.ts"
import type { Runner } from "./internal/store/toldRunners.ts"
import { MessageStore } from "./MessageStore.ts"
import type { StoreError } from "./StoreError.ts"

/** @since 0.1.0 */
export { Telling } from "./internal/store/runners.ts"
/** @since 0.1.0 */
export { Run, Runner } from "./internal/store/toldRunners.ts"

/**
 * The programs that run consumers or read models on the store: this one as it is now, and the others as they have told.
 *
 * **Details**
 *
 * It costs one statement. On a store without rows of runners, which is a stock Message DB, the memory store and a standby, it gives
 * this program alone. This program is not in it while nothing runs here. A program of another version of eventfold that tells what
 * this one can't read is left out, with a warning in the log.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Runners } from "eventfold"
 *
 * const show = Effect.gen(function*() {
 *   for (const { host, isStale, pid, runs } of yield* Runners.list) {
 *     for (const { id, status } of runs) yield* Console.log(host, pid, isStale, id, status.inFlight, status.stuck.length)
 *   }
 * })
 * ```
 *
 * @category observing
 * @since 0.1.0
 */
export const list: Effect.Effect<ReadonlyArray<Runner>, StoreError, MessageStore> = Effect.withSpan(
  MessageStore.use((store) => store[InProcess.TypeId].runners.list),
  "Runners.list"
)
