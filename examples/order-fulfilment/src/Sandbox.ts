/**
 * The test mode of a payment provider: the card alone decides what happens, so that every run is the same.
 */
import { Effect, Latch } from "effect"
import { CardDeclined, type PaymentProvider, ProviderFailed } from "./PaymentProvider.ts"

export const cards = ["good", "flaky", "declined", "slow", "broken"] as const

export interface Options {
  /** A charge to the slow card waits for this after the money has moved. */
  readonly slow: Effect.Effect<void>
  /** Whether charges to the broken card work. */
  readonly isRepaired?: boolean | undefined
  /** Called when a request fails or hangs. */
  readonly onTrouble?: ((card: string, trouble: string) => Effect.Effect<unknown>) | undefined
}

export interface Sandbox {
  readonly provider: PaymentProvider["Service"]
  /** Makes charges to the broken card work from now on. */
  readonly repair: Effect.Effect<void>
  /** How often each key was used. */
  readonly asked: ReadonlyMap<string, number>
  /** The money that has moved, in cents, by key. Refunds are negative. */
  readonly booked: ReadonlyMap<string, number>
}

export const make = ({ isRepaired = false, onTrouble = () => Effect.void, slow }: Options): Effect.Effect<Sandbox> =>
  Effect.sync(() => {
    const works = Latch.makeUnsafe(isRepaired)
    const asked = new Map<string, number>()
    const booked = new Map<string, number>()

    const ask = (key: string): number => {
      const times = (asked.get(key) ?? 0) + 1
      asked.set(key, times)
      return times
    }
    const fail = Effect.fnUntraced(function*(card: string, reason: string) {
      yield* onTrouble(card, reason)
      return yield* new ProviderFailed({ reason })
    })

    const charge: Sandbox["provider"]["charge"] = Effect.fnUntraced(function*(key, { card, cents }) {
      const times = ask(key)
      if (card === "declined") return yield* new CardDeclined({ reason: "the card is expired" })
      if (card === "flaky" && times <= 2) return yield* fail(card, `no connection, attempt ${times}`)
      if (card === "broken" && !works.isOpen()) return yield* fail(card, "500 Internal Server Error")
      booked.set(key, cents)
      if (card === "slow") {
        yield* onTrouble(card, "no answer yet")
        yield* slow
      }
      return { reference: `pay-${key.slice(0, 8)}` }
    })

    const refund: Sandbox["provider"]["refund"] = (key, { cents }) =>
      Effect.sync(() => {
        ask(key)
        booked.set(key, -cents)
      })

    return { provider: { charge, refund }, repair: Effect.asVoid(works.open), asked, booked }
  })
