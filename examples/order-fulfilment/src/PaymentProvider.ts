/**
 * The payment provider: a service of another company, which can be down, be slow, or refuse.
 */
import { Context, type Effect, Schema } from "effect"

/** The provider cannot be reached, or fails. Asking again may help, and does no harm. */
export class ProviderFailed extends Schema.TaggedError<ProviderFailed>()("ProviderFailed", { reason: Schema.String }) {
  override get message() {
    return `the payment provider failed: ${this.reason}`
  }
}

/** An answer, not a failure: asking again gives the same answer. */
export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { reason: Schema.String }) {}

/**
 * Each request has a key. A second request with the same key gets the outcome of the first, and no money moves twice. That is
 * what makes "at least once" good enough.
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
