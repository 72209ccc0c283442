/**
 * The program: two consumers and a process, which react to events, and two read models, which answer questions about them.
 * They run side by side until one of them fails or the program is stopped.
 */
import { Layer } from "effect"
import { Consumer, Observe, Process } from "eventfold"
import { fulfilment, Fulfilments } from "./Fulfilment.ts"
import { Orders } from "./Order.ts"
import { PaymentCommand, Payments, payments } from "./Payment.ts"
import * as ReadModels from "./ReadModels.ts"
import { Parcels, shipping } from "./Shipping.ts"

/** All consumers, those of the process included. */
export const consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>> = [
  payments,
  shipping,
  ...fulfilment.consumers
]

export const Consumers = Layer.mergeAll(Consumer.layer(payments), Consumer.layer(shipping), Process.layer(fulfilment))

export const App = Layer.merge(Consumers, ReadModels.App)

/** Everything by its name, for those who look at the program: it runs nothing. */
export const Registered = Observe.layer({
  consumers: [payments, shipping],
  processes: [fulfilment],
  readModels: ReadModels.all,
  entities: { order: Orders, payment: Payments, parcel: Parcels, fulfilment: Fulfilments },
  categories: [PaymentCommand]
})
