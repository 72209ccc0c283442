/**
 * Payments: the commands to charge and to refund, the events that they lead to, and the consumer between the two, which calls
 * the payment provider.
 */
import { Effect, Schedule, Schema } from "effect"
import { Category, Consumer, Entity } from "eventfold"
import { Cents, OrderId } from "./Order.ts"
import { PaymentProvider } from "./PaymentProvider.ts"

export class PaymentCommand extends Category.make("payment:command", {
  Charge: { cents: Cents, card: Schema.NonEmptyString },
  Refund: {}
}, { id: OrderId }) {}

export class Payment extends Category.make("payment", {
  Charged: { cents: Cents, reference: Schema.String },
  Declined: { reason: Schema.String },
  Refunded: { cents: Cents }
}, { id: OrderId }) {}

const State = Schema.Struct({
  status: Schema.Literals(["open", "charged", "declined", "refunded"]),
  cents: Schema.Int,
  reference: Schema.String
})

export type State = typeof State.Type

export const Payments = Entity.make(Payment, {
  state: State,
  initial: { status: "open", cents: 0, reference: "" },
  evolve: {
    Charged: (_, { cents, reference }) => ({ status: "charged", cents, reference }),
    Declined: (state) => ({ ...state, status: "declined" }),
    Refunded: (state) => ({ ...state, status: "refunded" })
  }
})

type Command<Type> = Extract<Category.RecordedEvent<typeof PaymentCommand>, { readonly type: Type }>

/**
 * The command may be delivered again, after a crash or because the provider failed. When its outcome is recorded, there is
 * nothing left to do. When only the provider knows the outcome, it recognises the key and gives the same answer.
 */
export const decideCharge = ({ data: { card, cents }, recorded }: Command<"Charge">) =>
  Effect.fnUntraced(function*({ status }: State) {
    if (status !== "open") return []
    const provider = yield* PaymentProvider
    return yield* provider.charge(recorded.id, { card, cents }).pipe(
      Effect.map(({ reference }) => [Payment.events.Charged({ cents, reference })]),
      Effect.catchTag("CardDeclined", ({ reason }) => Effect.succeed([Payment.events.Declined({ reason })]))
    )
  })

export const decideRefund = ({ recorded }: Command<"Refund">) =>
  Effect.fnUntraced(function*({ cents, reference, status }: State) {
    if (status !== "charged") return []
    const provider = yield* PaymentProvider
    yield* provider.refund(recorded.id, { reference, cents })
    return [Payment.events.Refunded({ cents })]
  })

const handling = <C extends Command<string>, E, R>(
  decide: (command: C) => (state: State) => Effect.Effect<ReadonlyArray<Category.Event<typeof Payment>>, E, R>
) =>
(command: C) => Payments.transact(command.id, decide(command))

export const payments = Consumer.make("payments", {
  // Other payments continue while the provider works on one.
  concurrency: 16,
  // The provider may recover in a moment. A payment that still fails is parked, and the other orders continue.
  retry: Schedule.max([Schedule.exponential("50 millis"), Schedule.recurs(3)]),
  onFailure: "park",
  checkpoint: { interval: "100 millis" },
  // A payment that hangs when the program stops is interrupted, and asked for again in the next run.
  grace: "1 second"
}).on(PaymentCommand, { Charge: handling(decideCharge), Refund: handling(decideRefund) })
