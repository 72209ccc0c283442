/**
 * When a server is ready to take requests: `/readyz` says so.
 *
 * It always asks the store. An application adds checks of its own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Lag } from "eventfold/ConsumerStatus"

/**
 * Why a check has failed. The answer of `/readyz` has the reason, so it must tell nothing secret.
 *
 * @category errors
 * @since 0.1.0
 */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", {
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/**
 * A check that must succeed within 2 seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check<R = never> {
  readonly name: string
  readonly check: Effect.Effect<void, CheckFailed, R>
}

/**
 * The checks of the application. Defaults to none.
 *
 * @category references
 * @since 0.1.0
 */
export const Checks = Context.Reference<ReadonlyArray<Check>>("@eventfold/http/Readiness/Checks", {
  defaultValue: () => []
})

/**
 * Adds checks to those of the store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R>(checks: ReadonlyArray<Check<R>>): Layer.Layer<never, never, R> =>
  Layer.effect(
    Checks,
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.succeed(
        checks.map(({ check, name }): Check => ({ name, check: Effect.provideContext(check, context) }))
      )
    )
  )

/**
 * Checks that a consumer or read model is at most so far behind.
 *
 * **Details**
 *
 * `status` is what `Consumer.status` or `ReadModel.status` gives, or another effect that gives a `lag`. When it fails, so does the check;
 * the log says why. `age` is the highest age of the oldest message that is not handled.
 *
 * @example
 * ```ts
 * import { Readiness } from "@eventfold/http"
 * import { Consumer } from "eventfold"
 *
 * const ready = (consumer: Parameters<typeof Consumer.status>[0]) =>
 *   Readiness.layer([Readiness.lagBelow("mailer", Consumer.status(consumer), "1 minute")])
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const lagBelow = <E, R>(
  name: string,
  status: Effect.Effect<{ readonly lag: Lag }, E, R>,
  age: Duration.Input
): Check<R> => ({
  name,
  check: status.pipe(
    Effect.tapError((error) => Effect.logWarning("readiness check failed", error)),
    Effect.mapError(() => new CheckFailed({ reason: "its status could not be read" })),
    Effect.flatMap(({ lag }) =>
      Duration.isGreaterThan(lag.age, Duration.fromInputUnsafe(age))
        ? Effect.fail(
          new CheckFailed({ reason: `is ${lag.messages} messages and ${Duration.format(lag.age)} behind` })
        )
        : Effect.void
    )
  )
})
