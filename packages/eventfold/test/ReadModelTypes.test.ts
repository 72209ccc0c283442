/**
 * What the types of read models promise. This file is the test by compiling: each `@ts-expect-error` marks a mistake that the
 * compiler must find, and `exactly` does not compile when a type differs from the expected one. None of it runs.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, type Layer, Schema, Stream } from "effect"
import {
  Category,
  type Consumer,
  MemoryTable,
  type Message,
  type MessageStore,
  ReadModel,
  type ReadModelStore
} from "eventfold"

/** Compiles only when both types are the same. A union must have the same members. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

type Failure<T> = T extends ReadModel.ReadModel<infer E, infer _R> ? E : never
type Needs<T> = T extends ReadModel.ReadModel<infer _E, infer R> ? R : never

class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

class Rates extends Context.Service<Rates, { readonly today: Effect.Effect<number, Offline> }>()("test/Rates") {}

class Keys extends Context.Service<Keys, { readonly key: string }>()("test/Keys") {}

const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
const Payment = Category.make("payment", { Paid: { amount: Schema.Int } })
const Secret = Category.make("secret", {
  Told: Schema.String.pipe(Schema.middlewareEncoding((encoded) => Effect.andThen(Keys, encoded)))
})

const empty = ReadModel.make("orders", { version: 1 })
const rated = Effect.flatMap(Rates, ({ today }) => today)

export const whatHandlersGet = () => {
  empty.on(Order, {
    Placed: ({ data, type }) => {
      exactly<typeof data, { readonly total: number }>()
      exactly<typeof type, "Placed">()
      return Effect.void
    }
  })
  empty.on(Order, (event) => {
    exactly<typeof event, Category.RecordedEvent<typeof Order>>()
    return Effect.void
  })
  empty.on("order", {
    Placed: (message) => {
      exactly<typeof message, Message.RecordedMessage>()
      return Effect.void
    }
  })
  empty.on(ReadModel.all, (message) => {
    exactly<typeof message, Message.RecordedMessage>()
    return Effect.void
  })
  ReadModel.batch("orders", {
    version: 1,
    from: [Order, Payment],
    handle: ([event]) => {
      exactly<typeof event, Category.RecordedEvent<typeof Order> | Category.RecordedEvent<typeof Payment>>()
      return Effect.void
    }
  })
}

export const whatIsAMistake = () => {
  // @ts-expect-error an event that the category does not have
  empty.on(Order, { Sent: () => Effect.void })
  // @ts-expect-error among those that it has
  empty.on(Order, { Placed: () => Effect.void, Sent: () => Effect.void })
  // @ts-expect-error the data of the event has no such field
  empty.on(Order, { Placed: ({ data }) => Effect.log(data.amount) })
  // @ts-expect-error a handler is an effect
  empty.on(Order, { Placed: () => 1 })
  // @ts-expect-error a promise is not an effect
  empty.on("order", async () => {})
  // @ts-expect-error a version is needed
  ReadModel.make("orders", {})
  // @effect-diagnostics missingEffectError:off -- the compiler reports it as well
  // @ts-expect-error a side effect handles its own errors
  const told = ReadModel.sideEffect(Effect.fail(new Refused()))
  // @effect-diagnostics missingEffectError:error
  return { told }
}

export const whatReadModelsNeed = () => {
  exactly<Failure<typeof empty>, never>()
  exactly<Needs<typeof empty>, never>()
  const plain = empty.on("order", { Placed: () => Effect.void })
  exactly<Failure<typeof plain>, never>()
  const orders = empty.on(Order, { Placed: () => rated, Cancelled: () => new Refused() })
  exactly<Failure<typeof orders>, Offline | Refused | Category.DecodeError>()
  exactly<Needs<typeof orders>, Rates>()
  const whole = empty.on(Secret, () => rated)
  exactly<Failure<typeof whole>, Offline | Category.DecodeError>()
  exactly<Needs<typeof whole>, Rates | Keys>()
  const all = orders.on(Secret, { Told: () => ReadModel.sideEffect(Effect.asVoid(Keys)) })
  exactly<Failure<typeof all>, Offline | Refused | Category.DecodeError>()
  exactly<Needs<typeof all>, Rates | Keys>()
  const batch = ReadModel.batch("secrets", { version: 1, from: [Secret, Order], handle: () => rated })
  exactly<Failure<typeof batch>, Offline | Category.DecodeError>()
  exactly<Needs<typeof batch>, Rates | Keys>()
  const table = MemoryTable.make<string, number>("orders", "by_day")
  const counting = empty.on(Order, { Placed: ({ data }) => table.set("today", data.total) })
  exactly<Needs<typeof counting>, MemoryTable.MemoryTables>()

  type Stores = MessageStore.MessageStore | ReadModelStore.ReadModelStore
  const running = ReadModel.run(all)
  exactly<Effect.Services<typeof running>, Stores | Rates | Keys>()
  exactly<Effect.Error<typeof running>, Offline | Refused | Category.DecodeError | ReadModel.RunError>()
  const layer = ReadModel.layer(plain)
  exactly<Layer.Services<typeof layer>, Stores | Consumer.Host<ReadModel.RunError>>()
  const ignored = ReadModel.layer(orders, { onStop: "ignore" })
  exactly<Layer.Services<typeof ignored>, Stores | Rates | Consumer.Host<never>>()
  const rebuilt = ReadModel.rebuild(all)
  exactly<Stream.Services<typeof rebuilt>, Stores | Rates | Keys>()
}

it("compiles", () => {
  assert.isTrue(Stream.isStream(ReadModel.rebuild(empty)))
})
