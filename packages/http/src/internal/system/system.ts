/**
 * The routes for those who run the server.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { MessageStore } from "eventfold/MessageStore"
import { Api } from "../../Api.ts"
import * as Problem from "../../Problem.ts"
import * as Readiness from "../../Readiness.ts"
import { authorize } from "../authentication/access.ts"

/** How long a check may take: a server that needs longer for a look-up is not ready. */
const patience = "2 seconds"

const storeAway = new Readiness.CheckFailed({ reason: "the store did not answer" })

const failuresOf = ({ check, name }: Readiness.Check) =>
  check.pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new Readiness.CheckFailed({ reason: `took longer than ${patience}` }))
    }),
    Effect.match({ onFailure: ({ reason }) => [{ check: name, reason }], onSuccess: () => [] })
  )

export const layer = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const checks: ReadonlyArray<Readiness.Check> = [
      {
        name: "store",
        check: store.lastPosition.pipe(
          Effect.tapError((error) => Effect.logWarning("store is not ready", error)),
          Effect.mapError(() => storeAway),
          Effect.asVoid
        )
      },
      ...yield* Readiness.Checks
    ]

    return handlers.handleAll({
      health: () => Effect.succeed({ status: "ok" as const }),
      ready: Effect.fnUntraced(function*() {
        const failed = (yield* Effect.forEach(checks, failuresOf, { concurrency: "unbounded" })).flat()
        if (failed.length === 0) return { status: "ready" as const }
        const detail = failed.map(({ check, reason }) => `${check} ${reason}`).join("; ")
        return yield* new Problem.NotReady({ detail, failed })
      }),
      // They have the names of categories, consumers and read models.
      metrics: () => Effect.andThen(authorize("read"), PrometheusMetrics.format())
    })
  })
)
