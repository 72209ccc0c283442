/**
 * The program: two consumers and a process, which act on what happens, and two read models, which tell of it. They run side
 * by side until one of them fails or all are asked to stop.
 */
import { Layer } from "effect"
import { Consumer, Process } from "eventfold"
import { fulfilment } from "./Fulfilment.ts"
import { payments } from "./Payment.ts"
import * as ReadModels from "./ReadModels.ts"
import { shipping } from "./Shipping.ts"

/** All that acts on messages: to be asked how far it has come. */
export const consumers: ReadonlyArray<Consumer.Consumer<unknown, unknown>> = [
  payments,
  shipping,
  ...fulfilment.consumers
]

export const Consumers = Layer.mergeAll(Consumer.layer(payments), Consumer.layer(shipping), Process.layer(fulfilment))

export const App = Layer.merge(Consumers, ReadModels.App)
