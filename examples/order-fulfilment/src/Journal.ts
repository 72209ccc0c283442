/**
 * Prints a line for each message that is written to the log.
 */
import { Console, DateTime, Duration, Effect, Option, Semaphore, Stream } from "effect"
import { type Category, type Message, MessageStore, StreamName } from "eventfold"
import { Order } from "./Order.ts"
import { Payment, PaymentCommand } from "./Payment.ts"
import * as Report from "./Report.ts"
import { Shipping } from "./Shipping.ts"

/** Prints a line: the time (UTC), the order, and what happened. */
const say = (time: DateTime.Utc, order: string, what: string) =>
  Console.log(`${DateTime.formatIso(time).slice(11, 23)}  ${order.padEnd(6)} ${what}`)

/** Prints what is not in the log: that the provider failed. */
export const sayTrouble = (card: string, trouble: string) =>
  Effect.flatMap(DateTime.now, (now) => say(now, "", `  the provider, asked about the card "${card}": ${trouble}`))

const ofOrder = (event: Category.RecordedEvent<typeof Order>): string => {
  switch (event.type) {
    case "Placed": {
      const { lines, payWithin, total } = event.data
      const items = lines.map(({ count, item }) => `${count} ${item}`).join(", ")
      return `order placed: ${items}; ${Report.euros(total)}, to be paid within ${Duration.format(payWithin)}`
    }
    case "Paid":
      return `order paid (${event.data.reference})`
    case "Shipped":
      return `order shipped (${event.data.parcel})`
    case "Cancelled":
      return `order cancelled: ${event.data.reason}`
  }
}

const ofPaymentCommand = (event: Category.RecordedEvent<typeof PaymentCommand>): string => {
  switch (event.type) {
    case "Charge":
      return `  payment: charge ${Report.euros(event.data.cents)} to the card "${event.data.card}"`
    case "Refund":
      return "  payment: refund, because it came too late"
  }
}

const ofPayment = (event: Category.RecordedEvent<typeof Payment>): string => {
  switch (event.type) {
    case "Charged":
      return `  payment: charged ${Report.euros(event.data.cents)}`
    case "Declined":
      return `  payment: declined, ${event.data.reason}`
    case "Refunded":
      return `  payment: refunded ${Report.euros(event.data.cents)}`
  }
}

const ofShipping = (event: Category.RecordedEvent<typeof Shipping>): string => {
  switch (event.type) {
    case "Requested":
      return "  shipping: parcel requested"
    case "Shipped":
      return `  shipping: ${event.data.parcel} is on its way`
  }
}

const parking = new Map([
  ["Parked", "parked: the payment could not be handled, and waits for a replay"],
  ["ReplayRequested", "replay requested"]
])

const describing = <Event>(
  category: {
    readonly categoryName: string
    readonly decode: (message: Message.RecordedMessage) => Effect.Effect<Option.Option<Event>, Category.DecodeError>
  },
  words: (event: Event) => string
) =>
  [
    category.categoryName,
    // What does not fit is parked by the consumer, and is no reason to stop printing.
    (message: Message.RecordedMessage) =>
      category.decode(message).pipe(
        Effect.map(Option.map(words)),
        Effect.catchTag("DecodeError", ({ message }) => Effect.succeedSome(`  ${message}`))
      )
  ] as const

const descriptions = new Map([
  describing(Order, ofOrder),
  describing(PaymentCommand, ofPaymentCommand),
  describing(Payment, ofPayment),
  describing(Shipping, ofShipping),
  // The parked streams of the consumer: their messages are in the log too.
  [
    StreamName.withType(PaymentCommand.categoryName, "parked"),
    ({ type }: Message.RecordedMessage) => Effect.succeed(Option.fromUndefinedOr(parking.get(type)))
  ] as const
])

/** The global position of the last message that is printed. */
export const end = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  const last = yield* Effect.forEach([...descriptions.keys()], (category) => store.lastCategoryMessage(category))
  return Math.max(0, ...last.map(Option.match({ onNone: () => 0, onSome: ({ globalPosition }) => globalPosition })))
})

/** Prints what is written after a global position: `news` what is there now, `follow` for ever. */
export const make = Effect.fnUntraced(function*(after: number) {
  const store = yield* MessageStore.MessageStore
  const wakeUps = yield* store.wakeUps()
  const turn = yield* Semaphore.make(1)
  let last = after

  const news = Stream.suspend(() => store.readAll({ from: last + 1 })).pipe(
    Stream.runForEach(Effect.fnUntraced(function*(message) {
      last = message.globalPosition
      const describe = descriptions.get(StreamName.category(message.streamName))
      const words = describe === undefined ? Option.none() : yield* describe(message)
      if (Option.isNone(words)) return
      const id = Option.getOrElse(StreamName.id(message.streamName), () => "")
      // The id of a parked stream is `payments+1005`.
      yield* say(message.time, id.slice(id.indexOf("+") + 1), words.value)
    })),
    turn.withPermit
  )
  const follow = Effect.forever(Effect.andThen(news, Effect.timeoutOption(wakeUps.await, "1 second")))

  return { news, follow }
})
