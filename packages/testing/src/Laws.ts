/**
 * Laws that categories and entities are to keep: that events survive being written and read, that snapshots change
 * nothing, that a decision may be repeated. Each is an effect, for `it.effect`, that fails with a counter-example.
 *
 * Values are generated from the schemas by `effect/Arbitrary`: the same ones in every run, unless another seed is given.
 * They pass the checks of the schemas; a check that few values pass wants the annotation `arbitraryConstraint`, and a
 * declared type the annotation `toCodecArbitrary`.
 *
 * @since 0.1.0
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import * as Message from "eventfold/Message"
import * as StreamName from "eventfold/StreamName"
import { at, callSite } from "./internal/report/callSite.ts"
import { show, showEvents, showGiven, type Shown, showRefusal, showWhen } from "./internal/report/format.ts"
import { type Decided, decideOn, shown, toArray, unrecorded } from "./internal/spec/decide.ts"

/**
 * A law does not hold: its message says which one, by which counter-example, and what is wrong with it.
 *
 * @since 0.1.0
 */
export class LawBroken extends Data.Error<{
  readonly message: string
  /** The smallest that was found: an event, or a history of events. Undefined when none could be generated. */
  readonly counterExample: unknown
  readonly actual: unknown
  readonly expected: unknown
}> {
  override readonly name = "LawBroken"
  // Not a field, which test runners would print below the message.
  get _tag(): "LawBroken" {
    return "LawBroken"
  }
  // As node:test prints it: the message says what the fields say.
  override [NodeInspectSymbol](): unknown {
    return this.stack
  }
}

/**
 * How a law is checked.
 *
 * @since 0.1.0
 */
export interface Options {
  /** How many values are generated, for each type of event where it is about these. Default: 100. */
  readonly runs?: number | undefined
  /** Another seed makes other values. Default: `"eventfold"`. */
  readonly seed?: string | number | undefined
}

type AnyCodec<R> = Schema.Codec<unknown, unknown, R, R>

/** What is wrong with a value that was generated. */
interface Fault {
  readonly reasons: ReadonlyArray<string>
  readonly actual?: unknown
  readonly expected?: unknown
}

/** Checks a law on generated values. */
const check = Effect.fnUntraced(function*<A, R>(
  law: {
    readonly site: ReadonlyArray<string>
    /** What the law says, for a sentence that begins with "expected". */
    readonly says: string
    /** Schemas that no values can be generated of are found out when they are asked for them. */
    readonly values: () => Arbitrary.Arbitrary<A>
    readonly show: (value: A) => string
    readonly holds: (value: A) => Effect.Effect<void, Fault, R>
  },
  options: Options = {}
) {
  const { runs, seed = "eventfold" } = options
  const broken = (
    lines: ReadonlyArray<string>,
    counterExample?: A,
    { actual, expected }: Omit<Fault, "reasons"> = {}
  ) =>
    at(
      law.site,
      new LawBroken({ message: [`expected ${law.says}`, ...lines].join("\n"), counterExample, actual, expected })
    )

  const values = yield* Effect.try({
    try: law.values,
    catch: (error) =>
      broken([`but no values can be generated: ${error instanceof Error ? error.message : String(error)}`])
  })
  const result = yield* Arbitrary.checkEffect(values, (value) => Effect.as(law.holds(value), true), { runs, seed })
  if (result._tag === "Passed") return
  if (result._tag !== "Falsified") {
    return yield* broken([
      `but hardly any of the generated values pass the checks of the schema (seed ${JSON.stringify(seed)})`
    ])
  }
  const { failure, shrunkInput } = result
  const { reasons, ...diff }: Fault = failure._tag === "PropertyError" ? failure.error : { reasons: [] }
  return yield* broken(
    [
      `counter-example: ${law.show(shrunkInput)}`,
      ...reasons,
      `(run ${result.runs}, seed ${JSON.stringify(seed)})`
    ],
    shrunkInput,
    diff
  )
})

const schemaOf = (definition: Category.Definition): AnyCodec<unknown> =>
  Schema.isSchema(definition) ? definition as AnyCodec<unknown> : Schema.Struct({ ...definition as Category.Fields })

/** An event of several versions has a list where another one has a schema, or fields that are schemas. */
const isVersioned = (definition: Category.Definition | Category.AnyVersioned): definition is Category.AnyVersioned =>
  !Schema.isSchema(definition) && Array.isArray(definition["past"])

const newestOf = (definition: Category.Definition | Category.AnyVersioned): AnyCodec<unknown> =>
  schemaOf(isVersioned(definition) ? definition.newest : definition)

const pastOf = <R>(definition: Category.Definition | Category.AnyVersioned): ReadonlyArray<AnyCodec<R>> =>
  isVersioned(definition) ? definition.past.map(({ schema }) => schema as AnyCodec<R>) : []

interface Generated extends Shown {
  readonly metadata?: unknown
}

/** JSON as it was made, and as it is after it was text. */
const forms = <A extends Schema.Json>(json: A): ReadonlyArray<A> => [json, JSON.parse(JSON.stringify(json))]

const misfit = ({ path, reason }: { readonly path: ReadonlyArray<string | number>; readonly reason: string }): string =>
  `${path.join(".")}: ${reason}`

/**
 * Events survive being written and read: the data of each type of event, and the metadata where the category has a
 * schema for it, is encoded to JSON, as it is and as text, and decoded to an equal value (by the equivalence of its
 * schema). The older versions of an event, generated by their own schemas, can be read as the newest one.
 *
 * **Details**
 *
 * Text that PostgreSQL can't hold, with NUL characters or lone surrogates, is generated, too, and passes: it is the store
 * that refuses it.
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
 * @since 0.1.0
 */
export const roundTrips = <E extends Category.Events, O extends Category.Options>(
  category: Category.Category<E, O>,
  options?: Options
): Effect.Effect<void, LawBroken, Category.Services<Category.Category<E, O>>> => {
  type C = Category.Category<E, O>
  type Services = Category.Services<C>
  const site = callSite()
  const streamName = StreamName.StreamName.make(`${category.name}-law`)
  const fields: Category.Fields | undefined = category.Options.metadata
  const metadataSchema: AnyCodec<unknown> | undefined = fields === undefined ? undefined : Schema.Struct({ ...fields })
  const sameMetadata = metadataSchema === undefined ? () => true : Schema.toEquivalence(metadataSchema)

  const values = (type: string, schema: AnyCodec<unknown>) => () =>
    Arbitrary.map(
      Arbitrary.all({
        data: Arbitrary.schema(schema),
        metadata: metadataSchema === undefined ? Arbitrary.Constant(undefined) : Arbitrary.schema(metadataSchema)
      }),
      ({ data, metadata }): Generated => ({ type, data, ...(metadataSchema === undefined ? {} : { metadata }) })
    )

  /** A message as if a store had given it. */
  const decode = (type: string, data: Schema.Json, metadata: Schema.Json) =>
    Effect.map(
      category.decode({
        id: Message.deriveId(type),
        streamName,
        type,
        position: 0,
        globalPosition: 1,
        data,
        metadata,
        time: DateTime.makeUnsafe(0)
      }),
      Option.getOrUndefined
    )

  const survives = (type: string, schema: AnyCodec<unknown>) => {
    const sameData = Schema.toEquivalence(schema)
    return check({
      site,
      says: `${type} to be the same after it was written and read`,
      values: values(type, schema),
      show: (event) => showEvents([event]),
      holds: Effect.fnUntraced(function*(generated) {
        const { data, metadata } = generated
        const messages = yield* Effect.mapError(
          category.encode(streamName, [generated as Category.Event<C>]),
          (error): Fault => ({ reasons: [`it can't be written: ${misfit(error)}`] })
        )
        for (const message of messages) {
          const written = `it is written as ${JSON.stringify(message.data)}`
          for (const form of forms({ data: message.data, metadata: (message.metadata ?? null) as Schema.Json })) {
            const event = yield* Effect.mapError(
              decode(type, form.data, form.metadata),
              (error): Fault => ({ reasons: [written, `and can't be read: ${misfit(error)}`] })
            )
            if (!sameData(event?.data, data)) {
              const reasons = [written, `and read as ${show(event?.data)}`]
              return yield* Effect.fail<Fault>({ reasons, actual: event?.data, expected: data })
            }
            const readMetadata = event !== undefined && "metadata" in event ? event.metadata : undefined
            if (!sameMetadata(readMetadata, metadata)) {
              const reasons = [
                `its metadata is written as ${JSON.stringify(message.metadata)}`,
                `and read as ${show(readMetadata)}`
              ]
              return yield* Effect.fail<Fault>({ reasons, actual: readMetadata, expected: metadata })
            }
          }
        }
      })
    }, options)
  }

  const isLifted = (type: string, schema: AnyCodec<Services>, version: number, newest: number) => {
    const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(schema))
    const encodeMetadata = metadataSchema === undefined
      ? () => Effect.succeed({})
      : Schema.encodeUnknownEffect(Schema.toCodecJson(metadataSchema as AnyCodec<Services>))
    return check({
      site,
      says: `version ${version} of ${type} to be read as version ${newest}`,
      values: values(type, schema as AnyCodec<unknown>),
      show: (event) => showEvents([event]),
      holds: Effect.fnUntraced(function*({ data, metadata }) {
        const [json, own] = yield* Effect.mapError(
          Effect.all([encode(data), encodeMetadata(metadata)]),
          (error): Fault => ({ reasons: [`it can't be written: ${error.message}`] })
        )
        const written = { data: json, metadata: { ...own as Schema.JsonObject, schemaVersion: String(version) } }
        for (const form of forms(written)) {
          yield* Effect.mapError(decode(type, form.data, form.metadata), (error): Fault => ({
            reasons: [`it is written as ${JSON.stringify(json)}`, `and can't be read: ${misfit(error)}`]
          }))
        }
      })
    }, options)
  }

  return Effect.forEach(Object.entries(category.Events), ([type, definition]) => {
    const past = pastOf<Services>(definition)
    return Effect.andThen(
      Effect.forEach(past, (schema, index) => isLifted(type, schema, index + 1, past.length + 1), { discard: true }),
      survives(type, newestOf(definition))
    )
  }, { discard: true })
}

/** The part of an event that an entity is folded from. */
type Fact<C extends Category.Any> = Pick<Category.Event<C>, "type" | "data">

/**
 * What {@link snapshots} takes beside {@link Options}.
 *
 * @since 0.1.0
 */
export interface SnapshotsOptions<C extends Category.Any> extends Options {
  /**
   * The histories to check it on, for a state whose schema does not hold after just any events. Default: any events of
   * the category in any order.
   */
  readonly histories?: Arbitrary.Arbitrary<ReadonlyArray<Fact<C>>> | undefined
}

const historiesOf = <E extends Category.Events, O extends Category.Options>(category: Category.Category<E, O>) => {
  const events = Object.entries(category.Events).map(([type, definition]) =>
    Schema.Struct({ type: Schema.Literal(type), data: Schema.toType(newestOf(definition)) })
  )
  const any: Arbitrary.Arbitrary<ReadonlyArray<Shown>> = Arbitrary.array(Arbitrary.schema(Schema.Union(events)))
  return any as Arbitrary.Arbitrary<ReadonlyArray<Fact<Category.Category<E, O>>>>
}

/**
 * Snapshots change nothing: for any history and each place in it, the state there, encoded and decoded by the entity's
 * schema, folded with the events after it, is the state that all the events fold into (by the equivalence of the state's
 * schema). It finds what `evolve` keeps in the state and its schema does not know, a state that does not fit its schema,
 * and an `evolve` that throws.
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
 * @since 0.1.0
 */
export const snapshots = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  options?: SnapshotsOptions<Category.Category<E, O>>
): Effect.Effect<void, LawBroken> => {
  type History = ReadonlyArray<Fact<Category.Category<E, O>>>
  const codec = Schema.toCodecJson(entity.state)
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const same = Schema.toEquivalence(entity.state)
  /** The states before and after each event. */
  const statesOf = (from: S, history: History) =>
    Effect.try({
      try: () => Arr.scan(history, from, (state, event) => entity.evolve(state, event)),
      catch: (error): Fault => ({ reasons: [`evolve throws ${String(error)}`] })
    })

  return check({
    site: callSite(),
    says: "the events after a snapshot to fold into what all events fold into",
    values: () => options?.histories ?? historiesOf(entity.category),
    show: (history) => history.length === 0 ? "no events" : showEvents(history),
    holds: Effect.fnUntraced(function*(history) {
      const states = yield* statesOf(entity.initial, history)
      const expected = Arr.lastNonEmpty(states)
      for (const [count, state] of states.entries()) {
        const snapshot = `the state after ${count} of them, ${show(state)},`
        const json = yield* Effect.mapError(encode(state), ({ message }): Fault => ({
          reasons: [`${snapshot} can't be written: ${message}`]
        }))
        const written = `${snapshot} is written as ${JSON.stringify(json)}`
        for (const form of forms(json)) {
          const restored = yield* Effect.mapError(decode(form), ({ message }): Fault => ({
            reasons: [written, `and can't be read: ${message}`]
          }))
          const actual = Arr.lastNonEmpty(yield* statesOf(restored, history.slice(count)))
          if (!same(actual, expected)) {
            const reasons = [written, `from there they give ${show(actual)}, and from the beginning ${show(expected)}`]
            return yield* Effect.fail<Fault>({ reasons, actual, expected })
          }
        }
      }
    })
  }, options)
}

/**
 * What {@link idempotent} takes.
 *
 * @since 0.1.0
 */
export interface IdempotentOptions<C extends Category.Any> {
  /** What has happened before the first decision: one event, many or none. Default: none. */
  readonly given?: Entity.Decision<Category.Event<C>> | undefined
}

/**
 * A decision may be repeated: when it is decided again, on the state after its events, there are no more events, or only
 * events under the same ids, which a store does not write again. To be refused, the first time or the second, breaks it.
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
 * @since 0.1.0
 */
export const idempotent = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends Decided<Category.Event<Category.Category<E, O>>>
>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  decide: (state: S, version: Option.Option<number>) => A,
  options?: IdempotentOptions<Category.Category<E, O>>
): Effect.Effect<void, LawBroken, Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>> => {
  const site = callSite()

  return Effect.gen(function*() {
    const counterExample = toArray(options?.given ?? [])
    const lines = ["expected no more events when it is decided again", showGiven(counterExample)]
    const broken = (line: string, diff: Omit<Fault, "reasons"> = {}) =>
      at(
        site,
        new LawBroken({
          message: [...lines, line].join("\n"),
          counterExample,
          actual: diff.actual,
          expected: diff.expected
        })
      )
    const refusedByStore = (role: string, reason: string) =>
      broken(`but a store would refuse the ${role} events: ${reason}`)

    /** Decides, and says how. */
    const once = Effect.fnUntraced(function*(history: typeof counterExample, time: string) {
      const { before, outcome, version } = yield* Effect.mapError(
        decideOn(entity, history, decide),
        ({ reason, role }) => refusedByStore(role, reason)
      )
      lines.push(showWhen(decide, before, version))
      if (outcome._tag === "Refused") {
        return yield* broken(`but it was refused the ${time} time: ${showRefusal(outcome.refusal)}`)
      }
      if (outcome._tag === "Unrecordable") return yield* refusedByStore(outcome.role, outcome.reason)
      return outcome
    })

    const first = yield* once(counterExample, "first")
    const second = yield* once(
      first.isNew ? [...counterExample, ...first.events.map(unrecorded)] : counterExample,
      "second"
    )
    if (!second.isNew) return
    const events = second.events.map((event) => shown(event))
    return yield* broken(`but these were decided: ${showEvents(events)}`, { actual: events, expected: [] })
  })
}
