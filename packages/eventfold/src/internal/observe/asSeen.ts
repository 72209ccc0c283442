/**
 * What steering shares: who does it and why, and the guard by what was looked at.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Administration from "../../Administration.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { textProblem } from "../runtime/storableJson.ts"

/**
 * Something is no longer as it was when the operator looked at it. Nothing was done: look again, and decide again.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAsSeen extends Schema.TaggedError<NotAsSeen>()("NotAsSeen", {
  /** What was to be steered, in words, such as `consumer notifier on account`. */
  subject: Schema.String,
  /** What was looked at, as the option `expected` has it. */
  expected: Schema.Json,
  /** What there is now, in the same form; null when there is nothing. */
  actual: Schema.Json,
  /** The difference in words, such as `3 more were parked since`. */
  change: Schema.String
}) {
  override get message(): string {
    return `${this.subject} is not as it was looked at: ${this.change}. Nothing was done: look again`
  }
}

/**
 * Who steers, and why. The record of what was done has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Author {
  /** The name of a person or a program. */
  readonly by: string
  /** What the name was shown with, such as the fingerprint of a token, where there is such a thing. Never the token itself. */
  readonly token?: string | undefined
  /** Why, in words. */
  readonly reason?: string | undefined
}

/**
 * Who steers, and why, where the reason is required: what is done then can't be undone by doing something else.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthorWithReason extends Author {
  readonly reason: string
}

const checkText = (argument: string, text: string | undefined) => {
  if (text === undefined) return Effect.void
  const problem = text.trim() === "" ? "is empty" : textProblem(text)
  return problem === undefined ? Effect.void : Effect.fail(
    new InvalidArgument({ argument, value: JSON.stringify(text), expected: `a text that says it; this one ${problem}` })
  )
}

/** Checks before anything is done what the record would be refused for. */
export const checkAuthor = ({ by, reason, token }: Author): Effect.Effect<void, InvalidArgument> =>
  Effect.all([checkText("by", by), checkText("token", token), checkText("reason", reason)], { discard: true })

/** What was done, as the record has it. */
export interface Done extends Pick<Administration.Administered, "action" | "subject"> {
  readonly details: Readonly<Record<string, Schema.Json | undefined>>
}

/** The record of what was done, without the details that there are none of. */
export const recordOf = (
  { by, reason, token }: Author,
  { action, details, subject }: Done
): Administration.Administered => {
  const given: Record<string, Schema.Json> = {}
  for (const [name, value] of Object.entries(details)) if (value !== undefined) given[name] = value
  return {
    by,
    ...(token === undefined ? {} : { token }),
    action,
    subject,
    ...(reason === undefined ? {} : { reason }),
    details: given
  }
}

/** Runs an operation with its record. */
export const recorded = <A, E, R>(
  operation: Effect.Effect<A, E, R>,
  author: Author,
  done: (result: A) => Done
) => Administration.recorded(operation, (result) => recordOf(author, done(result)))
