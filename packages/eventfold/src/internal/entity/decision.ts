import * as Effect from "effect/Effect"

/**
 * An event, or some, or none (an empty array).
 *
 * @since 0.1.0
 */
export type Decision<Event> = Event | ReadonlyArray<Event>

const RepliedTypeId = "~eventfold/Entity/Replied"

/**
 * A decision together with an answer for the caller.
 *
 * @since 0.1.0
 */
export interface Replied<D, Reply> {
  readonly [RepliedTypeId]: typeof RepliedTypeId
  readonly decision: D
  readonly reply: Reply
}

/**
 * Makes a decision with a reply, which `transact` gives as `reply`.
 *
 * @example
 * ```ts
 * import { Category, Entity } from "eventfold"
 * import { Schema } from "effect"
 *
 * const Ticket = Category.make("ticket", { Drawn: { number: Schema.Int } })
 * const Counter = Entity.make(Ticket, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Drawn: (_, { number }) => number }
 * })
 *
 * const draw = Counter.transact("hall-1", (last) => Entity.reply(Ticket.events.Drawn({ number: last + 1 }), last + 1))
 * //    Effect<Transacted<number, …, number>, …>
 * ```
 *
 * @since 0.1.0
 */
export const reply = <const D, Reply>(decision: D, reply: Reply): Replied<D, Reply> => ({
  [RepliedTypeId]: RepliedTypeId,
  decision,
  reply
})

/**
 * What `decide` may give: a decision, with or without a `Entity.reply`, or an effect of one, which may also refuse.
 *
 * @since 0.1.0
 */
export type Decided<D> =
  | D
  | Replied<D, unknown>
  | Effect.Effect<D | Replied<D, unknown>, unknown, unknown>

/**
 * The reply in what `decide` gives: `void` where it gives a decision alone.
 *
 * @since 0.1.0
 */
export type ReplyOf<A> = [Settled<A>] extends [never] ? void : PlainReply<Settled<A>>

/** What an effect gives, or what is none. */
export type Settled<A> = A extends Effect.Effect<infer B, infer _E, infer _R> ? B : A

type PlainReply<B> = B extends Replied<infer _D, infer Reply> ? Reply : void

/**
 * The refusals in what `decide` gives.
 *
 * @since 0.1.0
 */
export type RefusalOf<A> = A extends Effect.Effect<infer _B, infer Refusal, infer _R> ? Refusal : never

/**
 * The services in what `decide` gives.
 *
 * @since 0.1.0
 */
export type RequirementsOf<A> = A extends Effect.Effect<infer _B, infer _E, infer R> ? R : never

/**
 * Whether a decision is one with a reply.
 *
 * @since 0.1.0
 */
export const isReplied = <D, Reply>(decided: D | Replied<D, Reply>): decided is Replied<D, Reply> =>
  typeof decided === "object" && decided !== null && RepliedTypeId in decided

/** What was decided, one way for all that `decide` may give. */
export const outcome = <D, A extends Decided<D>>(
  decided: A
): Effect.Effect<{ readonly decision: D; readonly reply: ReplyOf<A> }, RefusalOf<A>, RequirementsOf<A>> => {
  const settled = (Effect.isEffect(decided) ? decided : Effect.succeed(decided)) as Effect.Effect<
    D | Replied<D, ReplyOf<A>>,
    RefusalOf<A>,
    RequirementsOf<A>
  >
  return Effect.map(settled, (plain) => isReplied(plain) ? plain : { decision: plain, reply: undefined as ReplyOf<A> })
}
