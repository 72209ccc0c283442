import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type * as Metadata from "../../Metadata.ts"
import type { Freshness } from "./stateCache.ts"
import type * as Transaction from "./transact.ts"

/**
 * The default of {@link TransactOptions} `retry`: ten more attempts with growing pauses.
 *
 * **Details**
 *
 * The first pause is about 2 milliseconds, and each is twice as long as the one before, up to 250 milliseconds. They are
 * jittered, so that processes that met in a conflict do not meet again.
 *
 * **Gotchas**
 *
 * The pauses are on `Clock`. A test on the test clock has to adjust it before a conflict is retried.
 *
 * @category options
 * @since 0.1.0
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.max([
  Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("250 millis")]).pipe(Schedule.jittered),
  Schedule.recurs(10)
])

/**
 * The options of a load.
 *
 * @category options
 * @since 0.1.0
 */
export interface LoadOptions {
  /**
   * How fresh the state has to be. Defaults to `"latest"`, so that a program sees what it has just written.
   * Without an `EntityCache` a load always gives the latest.
   */
  readonly freshness?: Freshness | undefined
}

/**
 * The options of a transaction.
 *
 * @category options
 * @since 0.1.0
 */
export interface TransactOptions<M = Metadata.Metadata> {
  /**
   * When to decide again after a conflict. `Schedule.recurs(0)` never does. Defaults to {@link defaultRetry}, which lets most
   * conflicts pass unnoticed.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * The state that the first attempt decides on; after a conflict it is always the latest. `"assumeEmpty"` reads nothing and
   * decides on the initial state, expecting that the stream does not exist: this creates an entity in one round trip.
   *
   * By default a transaction does as if it were `"latest"`, and saves the read where an `EntityCache` has the state: it decides on
   * that, and the append succeeds only if the state was the latest. When the append is refused, or would not prove it, the
   * transaction reads and decides as with `"latest"`: after a refusal or a defect, without events, with events that have ids of
   * their own, and when a `transactAll` writes to some of its entities without `checkReads`. Such a decision counts as no attempt.
   * It also reads first while other processes write to the same streams, because deciding twice takes longer.
   */
  readonly freshness?: Freshness | "assumeEmpty" | undefined
  /**
   * Whether to check the version also when the decision has no events or refuses, with one more read. Then "nothing to do"
   * and "no" are decided on the latest state as well, whatever `freshness` says. Defaults to false, because it costs a round
   * trip.
   */
  readonly alwaysCheck?: boolean | undefined
  /**
   * The id of the command behind the transaction, any text. A command has one effect on a stream, however often it is sent.
   *
   * The message ids of the events follow from it; ids that the events have are ignored. When the command is sent again, the
   * result is the first one: its events, the state and version after them, and the reply, for which `decide` runs once more
   * on the state before them.
   */
  readonly commandId?: string | undefined
  /**
   * Metadata for every event of the decision. An event's own metadata takes precedence, and this takes precedence over the
   * context's: see `Metadata.with`. `transactAll` takes it in its JSON form.
   */
  readonly metadata?: M | undefined
}

/**
 * The options of a transaction over several entities.
 *
 * @category options
 * @since 0.1.0
 */
export interface TransactAllOptions extends TransactOptions {
  /**
   * Whether a decision that writes to some of the entities also needs the others to be at the versions that it read. The
   * store checks them in the transaction that writes. After a conflict on such an entity the transaction decides again, as
   * after any other.
   *
   * Set it when the decision relies on an entity that it does not write: without it, two transactions that each read what
   * the other one writes can both succeed, and break a rule that holds for the two together. Defaults to false, because a
   * check meets conflicts with writes that the decision may not care about, and waits for the lock of that entity's category.
   *
   * When the decision writes nothing, it has no effect: see `alwaysCheck`.
   */
  readonly checkReads?: boolean | undefined
}

/**
 * The options of `changes`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ChangesOptions {
  /**
   * How long to wait for a wake-up before reading anyway. Defaults to one second: wake-ups are hints, and when one is lost
   * the change comes that much later.
   */
  readonly pollInterval?: Duration.Input | undefined
}

/** The options of a transaction with their defaults. */
export const transactionOptions = (options: TransactOptions<unknown> = {}): Transaction.Options => ({
  retry: options.retry ?? defaultRetry,
  freshness: options.freshness ?? "latest",
  mayBeProven: options.freshness === undefined,
  alwaysCheck: options.alwaysCheck ?? false,
  commandId: options.commandId
})
