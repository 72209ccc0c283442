import { Authentication, Server } from "@eventfold/http"
import { Clock, Console, Context, Effect, Layer, Schema } from "effect"
import { HttpServer } from "effect/http"
import { Category, Entity, MessageStore, Observe } from "eventfold"
import { NodeRuntime } from "@effect/platform-node"

const Account = Category.make("account", { Opened: { owner: Schema.String }, Deposited: { amount: Schema.Int }, Withdrawn: { amount: Schema.Int } })
const Balance = Entity.make(Account, {
  state: Schema.Struct({ owner: Schema.String, balance: Schema.Int }), initial: { owner: "", balance: 0 },
  evolve: { Opened: (s, { owner }) => ({ ...s, owner }), Deposited: (s, { amount }) => ({ ...s, balance: s.balance + amount }), Withdrawn: (s, { amount }) => ({ ...s, balance: s.balance - amount }) }
})
let offset = -20 * 86_400_000
const base = Date.now()
const clock: Clock.Clock = { ...Clock.Clock.defaultValue?.() as any }
const real = (Clock.Clock as any).defaultValue() as Clock.Clock
const shifted = Object.create(real, {
  currentTimeMillisUnsafe: { value: () => Date.now() + offset },
  currentTimeMillis: { get: () => Effect.sync(() => Date.now() + offset) },
  currentTimeNanosUnsafe: { value: () => BigInt(Date.now() + offset) * 1000000n },
  currentTimeNanos: { get: () => Effect.sync(() => BigInt(Date.now() + offset) * 1000000n) }
})
void clock; void base
const Fill = Layer.effectDiscard(Effect.gen(function*() {
  for (let n = 1; n <= 5; n++) yield* Account.append(String(n), Account.events.Opened({ owner: `owner ${n}` }))
  for (let day = -20; day <= 0; day++) {
    offset = day * 86_400_000
    for (let n = 1; n <= 5; n++) yield* Account.append(String(n), day % 3 === 0 ? Account.events.Withdrawn({ amount: 7 * n }) : Account.events.Deposited({ amount: 100 * n }))
  }
  offset = 0
}))
const Announced = Layer.effectDiscard(Effect.flatMap(HttpServer.HttpServer, ({ address }) => Console.log(HttpServer.formatAddress(address))))
const Main = Announced.pipe(
  Layer.provide(Server.layer({ port: 8182, accessLog: false, page: { write: true } })),
  Layer.provide(Authentication.layerOpen),
  Layer.provide(Fill),
  Layer.provide(Observe.layer({ entities: { account: Balance } })),
  Layer.provide(MessageStore.layerMemory),
  Layer.provide(Layer.succeed(Clock.Clock, shifted))
)
NodeRuntime.runMain(Layer.launch(Main) as any)
