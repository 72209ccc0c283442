/**
 * What the library itself may answer instead of a result, as one union. A program tells it from refusals of its own without
 * a list of tags.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import { DecodeError } from "./Category.ts"
import {
  DuplicateMessageId,
  InvalidArgument,
  InvalidMessage,
  NotPermitted,
  StoreError,
  Unsupported,
  WrongExpectedVersion
} from "./StoreError.ts"
import { InvalidCategory, InvalidStreamName } from "./StreamName.ts"

/**
 * The errors of appends, reads, loads, transactions and deletions.
 *
 * **Details**
 *
 * - `WrongExpectedVersion`: another writer was faster. A transaction that used up its attempts fails with `Entity.Conflict`,
 *   which is one.
 * - `StoreError`: the store failed. `isRetryable` says whether the same call may succeed later.
 * - `InvalidStreamName`: an id is empty or does not fit its schema, so it is often a mistake of the caller.
 * - `DecodeError`: a stored message does not fit its schema.
 * - `InvalidMessage`, `DuplicateMessageId`: a message that the store cannot keep.
 * - `InvalidArgument`, `InvalidCategory`, `Unsupported`: a call that cannot succeed.
 * - `NotPermitted`: the store's role may not delete.
 *
 * @category errors
 * @since 0.1.0
 */
export type StoreFailure =
  | WrongExpectedVersion
  | DuplicateMessageId
  | InvalidMessage
  | InvalidArgument
  | InvalidStreamName
  | InvalidCategory
  | DecodeError
  | Unsupported
  | NotPermitted
  | StoreError

const classes = [
  WrongExpectedVersion,
  DuplicateMessageId,
  InvalidMessage,
  InvalidArgument,
  InvalidStreamName,
  InvalidCategory,
  DecodeError,
  Unsupported,
  NotPermitted,
  StoreError
]

/**
 * Checks whether a value is a {@link StoreFailure}.
 *
 * **When to use**
 *
 * With the combinators of `Effect` that take a condition, such as `Effect.catchIf`, `Effect.retry` or `Effect.tapErrorIf`. To
 * handle all of them, see {@link catchAll}.
 *
 * **Details**
 *
 * An error of one's own is never a store failure, also when it has the tag of one.
 *
 * @example
 * ```ts
 * import { type Entity, StoreFailure } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", {}) {}
 *
 * const refusalOf = <A, R>(command: Effect.Effect<A, Overdrawn | Entity.TransactError, R>) =>
 *   Effect.catchIf(command, StoreFailure.is, (failure) => Effect.die(failure))
 * //    (command: …) => Effect<A, Overdrawn, R>
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const is = <E>(error: E): error is E & StoreFailure => classes.some((failure) => error instanceof failure)

/**
 * Handles every {@link StoreFailure} of an effect, and leaves refusals of one's own.
 *
 * **When to use**
 *
 * At the edge of a program: an HTTP handler answers each refusal in words, and all that the store may say in one place.
 *
 * @example
 * ```ts
 * import { type Entity, StoreFailure } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { balance: Schema.Int }) {}
 *
 * // What an HTTP handler answers to a command.
 * const answer = <A, R>(command: Effect.Effect<A, Overdrawn | Entity.TransactError, R>) =>
 *   command.pipe(
 *     Effect.as({ status: 204, text: "" }),
 *     Effect.catchTag("Overdrawn", ({ balance }) => Effect.succeed({ status: 409, text: `only ${balance} left` })),
 *     StoreFailure.catchAll((failure) =>
 *       failure._tag === "InvalidStreamName"
 *         ? Effect.succeed({ status: 400, text: failure.message })
 *         : Effect.as(Effect.logError(failure), { status: 503, text: "try again later" })
 *     )
 *   )
 * //    (command: …) => Effect<{ status: number; text: string }, never, R>
 * ```
 *
 * @category error handling
 * @since 0.1.0
 */
export const catchAll: {
  <A2, E2, R2>(
    f: (failure: StoreFailure) => Effect.Effect<A2, E2, R2>
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | A2, Exclude<E, StoreFailure> | E2, R | R2>
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    f: (failure: StoreFailure) => Effect.Effect<A2, E2, R2>
  ): Effect.Effect<A | A2, Exclude<E, StoreFailure> | E2, R | R2>
} = dual(
  2,
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    f: (failure: StoreFailure) => Effect.Effect<A2, E2, R2>
  ): Effect.Effect<A | A2, Exclude<E, StoreFailure> | E2, R | R2> =>
    Effect.catch(self, (error): Effect.Effect<A2, Exclude<E, StoreFailure> | E2, R2> =>
      // What is no store failure is what excluding them leaves.
      is(error) ? f(error) : Effect.fail(error as Exclude<E, StoreFailure>))
)
