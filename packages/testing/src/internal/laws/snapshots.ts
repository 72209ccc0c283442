import * as Arbitrary from "effect/Arbitrary"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { compare } from "../report/compare.ts"
import { show, showEvents, type Shown } from "../report/format.ts"
import { type Broken, bySchema, check, type CheckOptions, type Fault, forms } from "./check.ts"
import { newestOf } from "./eventSchemas.ts"
import { valuesOf } from "./values.ts"

/**
 * The part of an event that an entity folds.
 *
 * @category models
 * @since 0.1.0
 */
export type Fact<C extends Category.Any> = Pick<Category.Event<C>, "type" | "data">

/** Any events of a category in any order. */
const historiesOf = <E extends Category.Events, O extends Category.Options>(category: Category.Category<E, O>) => {
  const events = Object.entries(category.Events).map(([type, definition]) =>
    Schema.Struct({ type: Schema.Literal(type), data: Schema.toType(newestOf(definition)) })
  )
  const any: Arbitrary.Arbitrary<ReadonlyArray<Shown>> = Arbitrary.array(valuesOf(Schema.Union(events)))
  return any as Arbitrary.Arbitrary<ReadonlyArray<Fact<Category.Category<E, O>>>>
}

const showCount = (count: number) => count === 1 ? "1 event" : `${count} events`

/** Each state of a history, written and read, folds with the events after it into the state of the whole history. */
export const snapshots = <E extends Category.Events, O extends Category.Options, S>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  histories: Arbitrary.Arbitrary<ReadonlyArray<Fact<Category.Category<E, O>>>> | undefined,
  options: CheckOptions | undefined
): Effect.Effect<void, Broken> => {
  type History = ReadonlyArray<Fact<Category.Category<E, O>>>
  const codec = Schema.toCodecJson(entity.state)
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const comparison = bySchema(entity.state)
  /** The states before and after each event. */
  const statesOf = (from: S, history: History) =>
    Effect.try({
      try: () => Arr.scan(history, from, (state, event) => entity.evolve(state, event)),
      catch: (error): Fault => ({ reasons: [`evolve threw ${String(error)}`] })
    })

  /** The state after the first events of a history is as good as these. */
  const isRestored = Effect.fnUntraced(function*(state: S, count: number, history: History, expected: S) {
    const snapshot = `the state after ${showCount(count)}, ${show(state)},`
    const json = yield* Effect.mapError(encode(state), ({ message }): Fault => ({
      reasons: [`${snapshot} can't be written: ${message}`]
    }))
    const written = `${snapshot} is written as ${JSON.stringify(json)}`
    for (const form of forms(json)) {
      const restored = yield* Effect.mapError(decode(form), ({ message }): Fault => ({
        reasons: [written, `and can't be read: ${message}`]
      }))
      const actual = Arr.lastNonEmpty(yield* statesOf(restored, history.slice(count)))
      const difference = compare(actual, expected, comparison)
      if (difference !== undefined) {
        const reasons = [
          written,
          `with the events after it, it folds into ${show(actual)}; all events fold into ${
            show(expected)
          }${difference.remark}`
        ]
        return yield* Effect.fail<Fault>({ reasons, actual, expected })
      }
    }
  })

  return check({
    says: "a snapshot and the events after it to fold into the state that all events fold into",
    values: () => histories ?? historiesOf(entity.category),
    show: (history) => history.length === 0 ? "no events" : showEvents(history),
    holds: Effect.fnUntraced(function*(history) {
      const states = yield* statesOf(entity.initial, history)
      const expected = Arr.lastNonEmpty(states)
      for (const [count, state] of states.entries()) yield* isRestored(state, count, history, expected)
    })
  }, options)
}
