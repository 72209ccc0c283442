/**
 * Laws that categories and entities keep: events survive being written and read, snapshots change nothing, a decision may
 * be repeated. Each law is an effect, for `it.effect`, that fails with a counter-example.
 *
 * **Details**
 *
 * `effect/Arbitrary` generates values from the schemas: the same ones in every run, unless a test sets another seed. They
 * pass the checks of the schemas. In half of them texts and numbers are, wherever they fit, such as the JSON form of another value looks
 * like: `"NaN"`, `"0"`, a time, an infinite number. A check that few values pass wants the annotation `arbitraryConstraint`, and a declared
 * type the annotation `toCodecArbitrary`.
 *
 * @since 0.1.0
 */
import type * as Arbitrary from "effect/Arbitrary"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import type { Broken } from "./internal/laws/check.ts"
import * as Idempotent from "./internal/laws/idempotent.ts"
import * as RoundTrips from "./internal/laws/roundTrips.ts"
import * as Snapshots from "./internal/laws/snapshots.ts"
import { at, callSite } from "./internal/report/failure.ts"
import type { DecideResult } from "./internal/spec/decide.ts"

/** @since 0.1.0 */
export type { Fact } from "./internal/laws/snapshots.ts"
/** @since 0.1.0 */
export type { DecideResult } from "./internal/spec/decide.ts"

/**
 * A law does not hold. The message says which law, by which counter-example, and what is wrong with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class LawBroken extends Data.Error<{
  readonly message: string
  /** The smallest one found: an event, or a history of events. Undefined when no values could be generated. */
  readonly counterExample: unknown
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "LawBroken"
  // A getter: test runners print fields below the message.
  get _tag(): "LawBroken" {
    return "LawBroken"
  }
  // What node:test prints: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

const toError = (site: ReadonlyArray<string>) => ({ actual, counterExample, expected, lines }: Broken): LawBroken =>
  at(site, new LawBroken({ message: lines.join("\n"), counterExample, actual, expected }))

/**
 * How a law is checked.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many values to generate; for laws about events, of each type of event. Defaults to 100. */
  readonly runs?: number | undefined
  /** What the values are generated from: another seed makes other values. Defaults to `"eventfold"`. */
  readonly seed?: string | number | undefined
}

/**
 * Events survive being written and read.
 *
 * **Details**
 *
 * The law encodes the data of each type of event, and the metadata where the category has a schema for it, to JSON, as it
 * is and as text, and decodes it. The result must be equal, by the equivalence of the schema. It generates the older
 * versions of an event by their own schemas and reads them as the newest one.
 *
 * Text that PostgreSQL can't hold, with NUL characters or lone surrogates, is generated as well, and passes: the store
 * refuses it, not the schema.
 *
 * @example
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { Laws } from "@eventfold/testing"
 * import { Schema } from "effect"
 * import { Category } from "eventfold"
 *
 * const Account = Category.make("account", { Opened: { at: Schema.DateTimeUtc }, Deposited: { amount: Schema.Int } })
 *
 * it.effect("events of accounts can be written and read", () => Laws.roundTrips(Account))
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const roundTrips = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  options?: Options
): Effect.Effect<void, LawBroken, Category.Services<Category.Category<E, O>>> => {
  const site = callSite()
  return Effect.mapError(RoundTrips.roundTrips(category, options), toError(site))
}

/**
 * What {@link snapshots} takes beside {@link Options}.
 *
 * @category options
 * @since 0.1.0
 */
export interface SnapshotsOptions<C extends Category.Any> extends Options {
  /**
   * The histories to check it on, for a state whose schema does not hold after just any events. Defaults to any events of
   * the category in any order.
   */
  readonly histories?: Arbitrary.Arbitrary<ReadonlyArray<Snapshots.Fact<C>>> | undefined
}

/**
 * Snapshots change nothing: a state that is written and read folds with the events after it into the same state as all
 * events do.
 *
 * **Details**
 *
 * The law checks each place in each history. States are compared by the equivalence of the entity's schema. It finds an
 * `evolve` that keeps something in the state that the schema does not know, a state that does not fit its schema, and an
 * `evolve` that throws.
 *
 * @example
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { Laws } from "@eventfold/testing"
 * import { Schema } from "effect"
 * import { Category, Entity } from "eventfold"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount }
 * })
 *
 * it.effect("balances can be kept in snapshots", () => Laws.snapshots(Balance))
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const snapshots = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  options?: SnapshotsOptions<Category.Category<E, O>>
): Effect.Effect<void, LawBroken> => {
  const site = callSite()
  return Effect.mapError(Snapshots.snapshots(entity, options?.histories, options), toError(site))
}

/**
 * What {@link idempotent} takes.
 *
 * @category options
 * @since 0.1.0
 */
export interface IdempotentOptions<C extends Category.Any> {
  /** What has happened before the first decision: one event, many or none. Defaults to none. */
  readonly given?: Entity.Decision<Category.Event<C>> | undefined
}

/**
 * A decision may be repeated: decided again, on the state after its own events, it has no events, or only events with the
 * same ids, which a store does not write a second time. A refusal breaks the law, the first time and the second.
 *
 * @example
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { Laws } from "@eventfold/testing"
 * import { Schema } from "effect"
 * import { Category, Entity } from "eventfold"
 *
 * const Account = Category.make("account", { Opened: {}, Closed: {} })
 * const Open = Entity.make(Account, {
 *   state: Schema.Boolean,
 *   initial: false,
 *   evolve: { Opened: () => true, Closed: () => false }
 * })
 * const close = (isOpen: boolean) => isOpen ? Account.events.Closed({}) : []
 *
 * it.effect("to close twice is to close", () => Laws.idempotent(Open, close, { given: Account.events.Opened({}) }))
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const idempotent = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends DecideResult<Category.Event<Category.Category<E, O>>>
>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  decide: (state: S, version: Option.Option<number>) => A,
  options?: IdempotentOptions<Category.Category<E, O>>
): Effect.Effect<void, LawBroken, Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>> => {
  const site = callSite()
  return Effect.mapError(Idempotent.idempotent(entity, decide, options?.given ?? []), toError(site))
}
