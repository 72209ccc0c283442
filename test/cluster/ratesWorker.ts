/** Not a test: a machine whose callers decide as fast as they can: `ratesWorker.ts MODE KIND URL ADDRESS SECONDS`. Prints how many. */
import * as Cluster from "@eventfold/cluster/Cluster"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Commands from "eventfold/Commands"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"

const [, , mode = "", kind = "", text = "", address = "", seconds = "5"] = process.argv

class Account extends Category.make("account", { Deposited: { cents: Schema.Int } }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { cents }) => balance + cents }
})

let decided = 0

const AccountCommands = Commands.make(Balance, {
  Deposit: {
    payload: { cents: Schema.Int },
    success: Schema.Int,
    decide: (balance, { cents }) => {
      decided += 1
      return Entity.reply(Account.events.Deposited({ cents }), balance + cents)
    }
  }
})

const callers = 32
const streams = kind === "hot" ? 10 : 100_000

const program = Effect.gen(function*() {
  let done = 0
  // The machines find one another, and the caches fill.
  const measure = Effect.fnUntraced(function*(millis: number) {
    const end = (yield* Clock.currentTimeMillis) + millis
    done = 0
    decided = 0
    yield* Effect.forEach(
      Array.from({ length: callers }),
      Effect.fnUntraced(function*() {
        while ((yield* Clock.currentTimeMillis) < end) {
          const id = yield* Random.nextIntBetween(0, streams - 1)
          // Callers without a cache give up on a stream that others are faster on, after eleven attempts.
          yield* AccountCommands.Deposit(`${id}`, { cents: 1 }).pipe(
            Effect.andThen(Effect.sync(() => done += 1)),
            Effect.catchTag("WrongExpectedVersion", () => Effect.void)
          )
        }
      }),
      { concurrency: "unbounded", discard: true }
    )
  })
  yield* measure(4_000)
  yield* measure(Number(seconds) * 1_000)
  process.stdout.write(`${done} ${decided}\n`)
})

const url = Redacted.make(text)
const cache = EntityCache.layer({ capacity: 10_000 })
const machine = mode === "routed"
  ? Layer.provideMerge(Cluster.layer({ url, address, commands: [AccountCommands] }), cache)
  : mode === "cached"
  ? cache
  : Layer.empty

const Live = machine.pipe(
  Layer.provideMerge(Postgres.layer({ url })),
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "Warn"))
)

await Effect.runPromise(Effect.provide(program, Live))
