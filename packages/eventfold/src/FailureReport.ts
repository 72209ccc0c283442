/**
 * Failures as data: what a handler failed with, in a form that can be stored, logged and queried.
 *
 * Consumers, read models and processes report each failure in this form: in their logs, in their status, and in the messages
 * that they park.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  boundedText,
  type Budget,
  fieldsOf,
  jsonOf,
  messageOf,
  nameOf,
  orElse,
  propertyOf
} from "./internal/runtime/boundedJson.ts"

/**
 * A failure as data. It is JSON, and it has about 8,000 characters at most, without its stack.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailureReport {
  /** An error is in the type of the effect that failed. A defect is not: a bug, say. */
  readonly kind: "error" | "defect" | "interruption"
  /** The `_tag` of the error, or else its name: `"InsufficientFunds"`, `"TypeError"`. */
  readonly tag: string
  /** The message of the error, or else its tag. */
  readonly message: string
  /**
   * The other fields of the error: in the form of its schema when its class has one, as those of `Schema.TaggedError` have,
   * and otherwise as JSON as well as that goes. The value of an error that is not an object is in `value`.
   */
  readonly fields: { readonly [key: string]: Schema.Json }
  /** What caused it: the `cause` of the error, and the cause of that, up to five. */
  readonly cause?: FailureReport
  /** What failed beside it: other effects that ran at the same time, or the errors of an `AggregateError`. Five at most. */
  readonly others?: ReadonlyArray<FailureReport>
  /** The stack trace. Absent unless {@link IncludeStack} is set. */
  readonly stack?: string
}

/**
 * The schema of a {@link FailureReport}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FailureReport: Schema.Codec<FailureReport> = Schema.Struct({
  kind: Schema.Literals(["error", "defect", "interruption"]),
  tag: Schema.String,
  message: Schema.String,
  fields: Schema.Record(Schema.String, Schema.Json),
  cause: Schema.optionalKey(Schema.suspend((): Schema.Codec<FailureReport> => FailureReport)),
  others: Schema.optionalKey(Schema.Array(Schema.suspend((): Schema.Codec<FailureReport> => FailureReport))),
  stack: Schema.optionalKey(Schema.String)
})

/**
 * Whether reports have the stack traces of errors. Defaults to `false`, because stacks name the paths of the machine, and a
 * parked message is read by other programs.
 *
 * **Details**
 *
 * It applies to the consumers, read models and processes that run in the context: to their logs, their status, and the messages
 * that they park.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { FailureReport, MessageStore } from "eventfold"
 *
 * const App = Layer.mergeAll(MessageStore.layerMemory, Layer.succeed(FailureReport.IncludeStack, true))
 * ```
 *
 * @since 0.1.0
 * @category options
 */
export const IncludeStack: Context.Reference<boolean> = Context.Reference("eventfold/FailureReport/IncludeStack", {
  defaultValue: () => false
})

const maxCharacters = 8_000

const maxMessage = 2_000

const maxStack = 4_000

const maxCauses = 5

const maxOthers = 5

/** What a report is made with, and how deep the cause is in it. */
interface Options {
  readonly kind: FailureReport["kind"]
  readonly budget: Budget
  /** The budget of the stacks; undefined without stacks. */
  readonly stacks: Budget | undefined
  readonly depth: number
}

const typeOf = (value: unknown): string => value === null ? "null" : typeof value

const stackOf = (error: object, stacks: Budget | undefined) => {
  const stack = stacks === undefined ? undefined : propertyOf(error, "stack")
  return stacks === undefined || typeof stack !== "string" ? {} : { stack: boundedText(stack, stacks, maxStack) }
}

const causeOf = (error: object, { budget, depth, kind, stacks }: Options) => {
  const cause = depth < maxCauses ? propertyOf(error, "cause") : undefined
  if (cause === undefined || cause === null) return {}
  const options = { kind, budget, stacks, depth: depth + 1 }
  return {
    cause: orElse(() => Cause.isCause(cause), false)
      ? ofCause(cause as Cause.Cause<unknown>, options)
      : ofError(cause, options)
  }
}

const othersOf = (errors: ReadonlyArray<unknown>, report: (error: unknown) => FailureReport) =>
  errors.length === 0 ? {} : { others: errors.slice(0, maxOthers).map(report) }

const ofError = (error: unknown, options: Options): FailureReport => {
  const { budget, depth, kind, stacks } = options
  if (typeof error !== "object" || error === null) {
    const message = typeof error === "string" ? boundedText(error, budget, maxMessage) : typeOf(error)
    const fields = typeof error === "string" || error === undefined ? {} : { value: jsonOf(error, budget) }
    return { kind, tag: typeOf(error), message, fields }
  }
  const isError = orElse(() => error instanceof Error, false)
  const ownTag = propertyOf(error, "_tag")
  const tag = boundedText(typeof ownTag === "string" ? ownTag : isError ? nameOf(error) : "object", budget)
  const message = boundedText(messageOf(error), budget, maxMessage)
  const errors = propertyOf(error, "errors")
  const isAggregate = orElse(() => error instanceof AggregateError, false) && Array.isArray(errors)
  return {
    kind,
    tag,
    message: message === "" ? tag : message,
    fields: fieldsOf(error, budget),
    ...causeOf(error, options),
    ...(isAggregate && depth < maxCauses
      ? othersOf(errors, (other) => ofError(other, { ...options, depth: maxCauses }))
      : {}),
    ...stackOf(error, stacks)
  }
}

const ofReason = (reason: Cause.Reason<unknown>, options: Options): FailureReport => {
  if (Cause.isFailReason(reason)) return ofError(reason.error, options)
  if (Cause.isDieReason(reason)) return ofError(reason.defect, { ...options, kind: "defect" })
  const { fiberId } = reason
  return {
    kind: "interruption",
    tag: "Interrupt",
    message: fiberId === undefined ? "interrupted" : `interrupted by fiber #${fiberId}`,
    fields: {}
  }
}

const ofCause = (cause: Cause.Cause<unknown>, options: Options): FailureReport => {
  const failures = cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  // What else was interrupted says nothing about why it failed.
  const reasons = failures.length === 0 ? cause.reasons.slice(0, 1) : [
    ...failures.filter(Cause.isFailReason),
    ...failures.filter(Cause.isDieReason)
  ]
  const [first, ...others] = reasons
  if (first === undefined) return { kind: "defect", tag: "Empty", message: "failed without an error", fields: {} }
  return {
    ...ofReason(first, options),
    ...othersOf(others, (other) => ofReason(other as Cause.Reason<unknown>, { ...options, depth: maxCauses }))
  }
}

/**
 * Reports a cause as data.
 *
 * **Details**
 *
 * - The report is about the first error of the cause, or about its first defect, or about the interruption.
 * - It never fails and is always JSON that every store can keep. It bounds what is large, says where it left out something, and
 *   replaces what JSON does not have, such as functions and cycles.
 * - `Redacted` values stay redacted, also where a schema would show them.
 *
 * @example
 * ```ts
 * import { Cause, Effect, Schema } from "effect"
 * import { FailureReport } from "eventfold"
 *
 * class Refused extends Schema.TaggedError<Refused>()("Refused", { amount: Schema.BigInt }) {}
 *
 * const report = FailureReport.fromCause(Cause.fail(new Refused({ amount: 5n })))
 * // { kind: "error", tag: "Refused", message: "Refused", fields: { amount: "5" } }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCause = (cause: Cause.Cause<unknown>): Effect.Effect<FailureReport> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const stacks = Context.get(context, IncludeStack) ? { left: maxCharacters } : undefined
    return Effect.succeed(ofCause(cause, { kind: "error", budget: { left: maxCharacters }, stacks, depth: 0 }))
  })

/**
 * A report in one line, for a person: `InsufficientFunds: alice has too little {"missing":7}`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = ({ fields, message, tag }: FailureReport): string => {
  const words = message === tag ? tag : `${tag}: ${message.replaceAll(/\s+/g, " ")}`
  return Object.keys(fields).length === 0 ? words : `${words} ${JSON.stringify(fields)}`
}
