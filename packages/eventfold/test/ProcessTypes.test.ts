/**
 * What the types of processes promise. That this file compiles is the test: each `@ts-expect-error` is a mistake that the
 * compiler must find, and each `exactly` fails to compile when a type has become another. Nothing of it is run.
 */
import { assert, it } from "@effect/vitest"
import { Context, type DateTime, Duration, Effect, Schema } from "effect"
import { Category, type Consumer, Entity, type MessageStore, Process } from "eventfold"

/** Compiles only when both types are the same. A union must have the same members. */
const exactly: <A, B>(...same: Same<A, B> extends true ? [] : [never]) => void = () => {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

type Failure<T> = T extends Process.Process<infer E, infer _R> ? E : never
type Needs<T> = T extends Process.Process<infer _E, infer R> ? R : never

class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

class Rates extends Context.Service<Rates, { readonly today: Effect.Effect<number, Offline> }>()("test/Rates") {}

class Keys extends Context.Service<Keys, { readonly key: string }>()("test/Keys") {}

const PaymentId = Schema.FiniteFromString.pipe(Schema.brand("PaymentId"))

const Order = Category.make("order", { Placed: { total: Schema.Int }, Cancelled: {} })
const Payment = Category.make("payment:command", { Charge: { amount: Schema.Int } }, {
  id: PaymentId,
  metadata: { userId: Schema.String }
})
const Secret = Category.make("secret", {
  Told: Schema.String.pipe(Schema.middlewareEncoding((encoded) => Effect.andThen(Keys, encoded)))
})
const Fulfilment = Category.make("fulfilment", { Started: { total: Schema.Int }, Ended: {} })
const Progress = Entity.make(Fulfilment, {
  state: Schema.Struct({ total: Schema.Int }),
  initial: { total: 0 },
  evolve: { Started: (_, { total }) => ({ total }), Ended: (state) => state }
})

type ReactError = Process.ReactError

const empty = Process.make("fulfilment", { entity: Progress })
const late = empty.deadline("late", () => {})

export const whatReactionsGet = () => {
  empty.deadline("late", (state, deadline, id) => {
    exactly<typeof state, { readonly total: number }>()
    exactly<typeof deadline.due, DateTime.Utc>()
    exactly<typeof id, Category.PlainId>()
  })
  late.deadline(
    "later",
    // A named span does not change what is inferred.
    Effect.fn("later")(function*(state, deadline, id) {
      exactly<typeof state, { readonly total: number }>()
      exactly<typeof deadline.due, DateTime.Utc>()
      exactly<typeof id, Category.PlainId>()
      yield* Effect.void
      return { events: Fulfilment.events.Ended({}), deadlines: { late: "1 hour" } }
    })
  )
  empty.on(Order, {
    Placed: (state, event, id) => {
      exactly<typeof state, { readonly total: number }>()
      exactly<typeof event.data, { readonly total: number }>()
      exactly<typeof id, Category.PlainId>()
    },
    Cancelled: Effect.fn("Cancelled")(function*(state, event) {
      exactly<typeof state, { readonly total: number }>()
      exactly<typeof event.type, "Cancelled">()
      yield* Effect.void
      return { events: Fulfilment.events.Ended({}) }
    })
  }, {
    id: (event) => {
      exactly<typeof event, Category.RecordedEvent<typeof Order>>()
      return event.recorded.id
    }
  })
  // @ts-expect-error the id is not one of the process's category
  empty.on(Order, {}, { id: ({ data }) => data.total })
  // @ts-expect-error the source has no such event
  empty.on(Order, { Paid: () => {} })
  // @ts-expect-error nor beside an event that it has
  empty.on(Order, { Placed: () => {}, Paid: () => {} })
}

export const whatReactionsGive = () => {
  empty.on(Order, { Placed: () => {}, Cancelled: () => undefined })
  empty.on(Order, { Placed: () => ({ events: [] }), Cancelled: () => ({}) })
  empty.on(Order, { Placed: ({ total }) => total > 0 ? undefined : { events: Fulfilment.events.Ended({}) } })
  // @ts-expect-error an event of another category
  empty.on(Order, { Placed: () => ({ events: Order.events.Cancelled({}) }) })
  // @ts-expect-error the same in an effect
  empty.on(Order, { Placed: () => Effect.succeed({ events: Order.events.Cancelled({}) }) })
  // @ts-expect-error an event is not a reaction
  empty.on(Order, { Placed: () => Fulfilment.events.Ended({}) })
  // @ts-expect-error nothing but events, send and deadlines
  empty.on(Order, { Placed: () => ({ events: Fulfilment.events.Ended({}), sent: [] }) })
  // @ts-expect-error the same in an effect
  empty.on(Order, { Placed: () => Effect.succeed({ events: Fulfilment.events.Ended({}), sent: [] }) })
  // @ts-expect-error what is sent is made by `send`
  empty.on(Order, { Placed: () => ({ send: Order.events.Cancelled({}) }) })
}

export const sending = () => {
  const charge = Payment.events.Charge({ amount: 1 }, { metadata: { userId: "u" } })
  exactly<ReturnType<typeof Process.send<typeof Payment>>, Process.Sent>()
  Process.send(Payment, PaymentId.make(1), [charge, charge])
  // @ts-expect-error an id of another kind
  Process.send(Payment, "1", charge)
  // @ts-expect-error an event of another category
  Process.send(Payment, PaymentId.make(1), Order.events.Cancelled({}))
  // The metadata may come from the context.
  Process.send(Payment, PaymentId.make(1), Payment.events.Charge({ amount: 1 }))
}

export const deadlines = () => {
  late.on(Order, { Placed: () => ({ deadlines: { late: "30 minutes" } }) })
  late.on(Order, { Placed: () => Effect.succeed({ deadlines: { late: Duration.infinity } }) })
  late.deadline("later", (_, { due }) => ({ deadlines: { late: due, later: "1 day" } }))
  late.on(Order, {
    Placed: ({ total }) =>
      Effect.gen(function*() {
        yield* Effect.void
        return total > 0 ? { deadlines: { late: "1 day" } } : undefined
      })
  })
  // @ts-expect-error the process has no such deadline
  empty.on(Order, { Placed: () => ({ deadlines: { late: "30 minutes" } }) })
  // @ts-expect-error nor beside a deadline that it has
  late.on(Order, { Placed: () => ({ deadlines: { late: "30 minutes", later: "1 day" } }) })
  // @ts-expect-error not a duration
  late.on(Order, { Placed: () => ({ deadlines: { late: "soon" } }) })
  // @ts-expect-error the name is taken
  late.deadline("late", () => {})
  // @ts-expect-error an event of another category
  empty.deadline("late", () => ({ events: Order.events.Cancelled({}) }))
}

export const errorsAndNeeds = () => {
  exactly<Failure<typeof empty>, never>()
  exactly<Needs<typeof empty>, never>()
  exactly<Failure<typeof late>, ReactError>()
  exactly<Needs<typeof late>, MessageStore.MessageStore>()

  const process = late
    .deadline("later", () => Effect.fail(new Refused()))
    .on(Order, {
      Placed: Effect.fnUntraced(function*({ total }, _, id) {
        const rates = yield* Rates
        return total > 0 && (yield* rates.today) > 0
          ? { events: Fulfilment.events.Started({ total }), deadlines: { late: "1 day" } }
          : { send: [Process.send(Order, id, Order.events.Cancelled({}))] }
      }),
      Cancelled: (_, __, id) => ({ send: Process.send(Secret, id, Secret.events.Told("what")) })
    })
  exactly<Failure<typeof process>, ReactError | Refused | Offline>()
  exactly<Needs<typeof process>, MessageStore.MessageStore | Rates | Keys>()

  const running = Process.run(process)
  exactly<
    typeof running,
    Effect.Effect<
      never,
      ReactError | Refused | Offline | Consumer.RunError,
      MessageStore.MessageStore | Rates | Keys
    >
  >()
  const many = empty.on(Order, {
    Cancelled: (_, __, id) => ({
      send: [
        Process.send(Secret, id, Secret.events.Told("what")),
        Process.send(Order, id, Order.events.Cancelled({}))
      ]
    })
  })
  exactly<Needs<typeof many>, MessageStore.MessageStore | Keys>()
}

it("compiles", () => {
  assert.isFunction(errorsAndNeeds)
})
