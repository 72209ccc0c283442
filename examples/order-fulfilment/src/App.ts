/**
 * The program: two consumers and a process, which react to events, and two read models, which answer questions about them.
 * They run side by side until one of them fails or the program is stopped.
 */
import { Layer } from "effect"
import { Consumer, Process } from "eventfold"
import { fulfilment } from "./Fulfilment.ts"
import { payments } from "./Payment.ts"
import * as ReadModels from "./ReadModels.ts"
import { shipping } from "./Shipping.ts"

/** All consumers, those of the process included, for reports of their lag. */
export const consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>> = [
  payments,
  shipping,
  ...fulfilment.consumers
]

export const Consumers = Layer.mergeAll(Consumer.layer(payments), Consumer.layer(shipping), Process.layer(fulfilment))

export const App = Layer.merge(Consumers, ReadModels.App)
