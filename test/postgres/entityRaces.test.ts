/**
 * Decisions on cached states while other programs write, decisions are slow and callers are interrupted: no rule is broken, nothing is
 * lost, and nothing is there twice.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { MessageStore } from "eventfold/MessageStore"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"
import * as Store from "../support/Store.ts"

const Account = Category.make("account", {
  Deposited: { cents: Schema.Int, call: Schema.Int },
  Withdrawn: { cents: Schema.Int, call: Schema.Int }
})

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { balance: Schema.Int }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Deposited: (balance, { cents }) => balance + cents,
    Withdrawn: (balance, { cents }) => balance - cents
  }
})

const ids = ["hot", "warm", "cold"] as const

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** A program of its own: its store and its cache know nothing of the other's. */
const program = Effect.gen(function*() {
  const { url } = yield* Database.Database
  const store = yield* Store.open(url, { maxConnections: 5 })
  const cache = yield* Layer.build(EntityCache.layer({ capacity: 100 }))
  return Context.add(cache, MessageStore, store)
})

/** A call, by its number, and what became of it. */
interface Call {
  readonly number: number
  readonly outcome: Exit.Exit<{ readonly id: string; readonly version: Option.Option<number> }, unknown>
}

/** Without an end that a busy machine could reach. */
const options = { retry: Schedule.spaced("2 millis") }

const take = (number: number, cents: number) => (balance: number) =>
  balance < cents
    ? Effect.fail(new Overdrawn({ balance }))
    : Effect.succeed(Account.events.Withdrawn({ cents, call: number }))

/** One of the ways to write, by chance. */
const call = Effect.fnUntraced(function*(number: number) {
  const id = ids[yield* Random.nextIntBetween(0, 5)] ?? "hot"
  const cents = yield* Random.nextIntBetween(1, 30)
  const way = yield* Random.nextIntBetween(0, 10)
  const deposit = Account.events.Deposited({ cents, call: number })
  const one = way < 3
    ? Balance.transact(id, () => deposit, options)
    : way < 7
    ? Balance.transact(id, take(number, cents), options)
    : way === 7
    ? Balance.transact(id, (balance) => Effect.andThen(Effect.yieldNow, take(number, cents)(balance)), options)
    : way === 8
    ? Balance.transact(id, take(number, cents), { ...options, commandId: `c-${number}` })
    : Entity.transactAll({ a: Balance.at("hot"), b: Balance.at("warm") }, ({ a, b }) =>
      // Together they never have less than nothing, which the balance of each alone already promises.
      a + b < cents || a < cents
        ? Effect.fail(new Overdrawn({ balance: a + b }))
        : Effect.succeed({ a: Account.events.Withdrawn({ cents, call: number }) }), { ...options, checkReads: true })
      .pipe(
        Effect.map(({ entities }) => entities.a)
      )
  const isCutShort = (yield* Random.nextIntBetween(0, 12)) === 0
  const limited = isCutShort ? Effect.timeout(one, "3 millis") : one
  const outcome = yield* Effect.exit(
    Effect.map(limited, ({ version }) => ({ id: way > 8 ? "hot" : id, version }))
  )
  const done: Call = { number, outcome }
  return done
})

const calls = shortOrLong(400, 8_000)

layer(Database.layer(), { excludeTestServices: true })("two programs that decide on the same entities", (it) => {
  it.effect("keep every rule, lose nothing, and write nothing twice", () =>
    Effect.gen(function*() {
      const programs = [yield* program, yield* program] as const
      const of = (number: number) => programs[number % 2 === 0 ? 0 : 1]
      yield* Effect.provideContext(
        Effect.forEach(ids, (id) => Balance.transact(id, () => Account.events.Deposited({ cents: 500, call: -1 }))),
        of(0)
      )
      const outcomes = yield* Effect.forEach(
        range(calls),
        (number) => Effect.provideContext(call(number), of(number)),
        { concurrency: 48 }
      )

      const found = new Map<number, { readonly id: string; readonly version: number }>()
      const context = of(0)
      for (const id of ids) {
        const events = yield* Effect.provideContext(Stream.runCollect(Account.readStream(id)), context)
        let balance = 0
        for (const { data, recorded, type } of events) {
          balance += type === "Deposited" ? data.cents : -data.cents
          assert.isAtLeast(balance, 0, `${id} at ${recorded.position}`)
          if (data.call === -1) continue
          assert.isFalse(found.has(data.call), `call ${data.call} is there twice`)
          found.set(data.call, { id, version: recorded.position })
        }
        for (const program of programs) {
          const loaded = yield* Effect.provideContext(Balance.load(id), program)
          assert.deepStrictEqual(loaded, { state: balance, version: Option.some(events.length - 1) })
        }
      }
      let [succeeded, refused] = [0, 0]
      for (const { number, outcome } of outcomes) {
        const written = found.get(number)
        if (Exit.isSuccess(outcome)) {
          succeeded += 1
          assert.deepStrictEqual(written, {
            id: outcome.value.id,
            version: Option.getOrThrow(outcome.value.version)
          }, `call ${number}`)
        } else {
          const error = yield* Effect.flip(outcome)
          // Who is cut short may have been written or not.
          if (!(error instanceof Overdrawn)) continue
          refused += 1
          assert.isUndefined(written, `call ${number} was refused and is there`)
        }
      }
      assert.isAbove(succeeded, calls / 4)
      assert.isAbove(refused, 0)
    }), { timeout: shortOrLong(60_000, 600_000) })
})
