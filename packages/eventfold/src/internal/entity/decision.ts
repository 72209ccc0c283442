import * as Effect from "effect/Effect"

/**
 * The events of a decision: one, several, or none as an empty array.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision<Event> = Event | ReadonlyArray<Event>

const RepliedTypeId = "~eventfold/Entity/Replied"

/**
 * A decision with a reply for the caller: see {@link reply}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replied<D, Reply> {
  readonly [RepliedTypeId]: typeof RepliedTypeId
  readonly decision: D
  readonly reply: Reply
}

/**
 * Adds a reply to a decision. The transaction gives it to its caller as `reply`.
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
 * @category constructors
 * @since 0.1.0
 */
export const reply = <const D, Reply>(decision: D, reply: Reply): Replied<D, Reply> => ({
  [RepliedTypeId]: RepliedTypeId,
  decision,
  reply
})

/**
 * The results that `decide` may have: a decision, with or without a {@link reply}, or an effect of one, which may fail with a
 * refusal.
 *
 * @category models
 * @since 0.1.0
 */
export type Decided<D> =
  | D
  | Replied<D, unknown>
  | Effect.Effect<D | Replied<D, unknown>, unknown, unknown>

/**
 * The type of the reply, by the result of `decide`. It is `void` for a decision without a reply.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplyOf<A> = [Settled<A>] extends [never] ? void : PlainReply<Settled<A>>

/**
 * The success of an effect; any other value as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Settled<A> = A extends Effect.Effect<infer B, infer _E, infer _R> ? B : A

type PlainReply<B> = B extends Replied<infer _D, infer Reply> ? Reply : void

/**
 * The type of the refusals, by the result of `decide`: the errors of the effect.
 *
 * @category models
 * @since 0.1.0
 */
export type RefusalOf<A> = A extends Effect.Effect<infer _B, infer Refusal, infer _R> ? Refusal : never

/**
 * The services that a decision needs, by the result of `decide`.
 *
 * @category models
 * @since 0.1.0
 */
export type RequirementsOf<A> = A extends Effect.Effect<infer _B, infer _E, infer R> ? R : never

/**
 * Checks whether a decision has a reply.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReplied = <D, Reply>(decided: D | Replied<D, Reply>): decided is Replied<D, Reply> =>
  typeof decided === "object" && decided !== null && RepliedTypeId in decided

/** Any result of `decide` in one form: an effect of the decision and the reply. */
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
