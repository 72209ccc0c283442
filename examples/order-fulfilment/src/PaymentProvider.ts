/**
 * Who moves the money: a service of another company, which can be away, slow, and of another opinion.
 */
import { Context, type Effect, Schema } from "effect"

/** It can't be reached, or does not know what to do. Asking again may help, and does no harm. */
export class ProviderFailed extends Schema.TaggedError<ProviderFailed>()("ProviderFailed", { reason: Schema.String }) {
  override get message() {
    return `the payment provider has failed: ${this.reason}`
  }
}

/** An answer, and no failure: asking again gives the same. */
export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { reason: Schema.String }) {}

/**
 * Each request has a key. Who asks again with the same key is told what came of the first time, and no money moves twice:
 * it is what makes "at least once" good enough.
 */
export class PaymentProvider extends Context.Service<PaymentProvider, {
  readonly charge: (
    key: string,
    payment: { readonly card: string; readonly cents: number }
  ) => Effect.Effect<{ readonly reference: string }, CardDeclined | ProviderFailed>
  readonly refund: (
    key: string,
    payment: { readonly reference: string; readonly cents: number }
  ) => Effect.Effect<void, ProviderFailed>
}>()("example/PaymentProvider") {}
