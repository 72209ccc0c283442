/**
 * An order: a customer places it, and the process in `Fulfilment.ts` decides and writes the events after `Placed`. Nothing
 * else writes them.
 */
import { type Duration, Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

/** The streams of an order share its id: `order-1001`, `payment-1001`, `shipping-1001`. */
export const OrderId = Schema.String.check(Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/), Schema.isMaxLength(40)).pipe(
  Schema.brand("OrderId")
)

export type OrderId = typeof OrderId.Type

/** An amount of money in cents: at most ten million euros. */
export const Cents = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))

export const Line = Schema.Struct({
  item: Schema.String.check(Schema.isPattern(/^\P{C}{1,80}$/u)),
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })),
  /** In cents, for one item. */
  price: Cents
})

export type Line = typeof Line.Type

export class Order extends Category.make("order", {
  Placed: {
    lines: Schema.NonEmptyArray(Line),
    total: Cents,
    /** The payment provider's name for the customer's card. */
    card: Schema.NonEmptyString,
    payWithin: Schema.DurationFromMillis
  },
  Paid: { reference: Schema.String },
  Shipped: { parcel: Schema.String },
  Cancelled: { reason: Schema.String }
}, { id: OrderId }) {}

const State = Schema.Struct({
  status: Schema.Literals(["unplaced", "placed", "paid", "shipped", "cancelled"]),
  /** In cents. */
  total: Schema.Int
})

export type State = typeof State.Type

export const Orders = Entity.make(Order, {
  state: State,
  initial: { status: "unplaced", total: 0 },
  evolve: {
    Placed: (_, { total }) => ({ status: "placed", total }),
    Paid: (state) => ({ ...state, status: "paid" }),
    Shipped: (state) => ({ ...state, status: "shipped" }),
    Cancelled: (state) => ({ ...state, status: "cancelled" })
  }
})

export class AlreadyPlaced extends Schema.TaggedError<AlreadyPlaced>()("AlreadyPlaced", { order: OrderId }) {
  override get message() {
    return `the order ${this.order} already exists: give the new one another id`
  }
}

export interface Place {
  readonly order: OrderId
  readonly lines: readonly [Line, ...ReadonlyArray<Line>]
  readonly card: string
  readonly payWithin: Duration.Duration
}

export const decidePlace = ({ card, lines, order, payWithin }: Place) =>
  Effect.fnUntraced(function*({ status }: State) {
    if (status !== "unplaced") return yield* new AlreadyPlaced({ order })
    const total = lines.reduce((sum, { count, price }) => sum + count * price, 0)
    // Everything that follows from this event has the name of its stream as its correlation.
    const correlationStreamName = yield* Order.streamName(order)
    return Order.events.Placed({ lines, total, card, payWithin }, {
      metadata: { correlationStreamName }
    })
  })

export const place = (command: Place) => Orders.transact(command.order, decidePlace(command))
