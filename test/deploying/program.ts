/** A program that the test bundles: it decides once, prints the state, and ends. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Postgres } from "@eventfold/postgres"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"

const Account = Category.make("account", { Deposited: { cents: Schema.Int } })

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { cents }) => balance + cents }
})

Balance.transact("1", () => Account.events.Deposited({ cents: 500 })).pipe(
  Effect.flatMap(({ state }) => Console.log(`account 1 has ${state}`)),
  Effect.provide(Postgres.layerConfig({ url: Config.Redacted("DATABASE_URL") })),
  NodeRuntime.runMain
)
