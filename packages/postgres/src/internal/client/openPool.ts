import { make, type PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { OpenError } from "../../OpenError.ts"
import { fromFile, fromProblem, fromSqlError } from "./openErrors.ts"
import { configure } from "./pool.ts"
import * as PoolSettings from "./poolSettings.ts"
import * as Tls from "./tls.ts"

/** A pool, which opens its connections when they are needed. What can be checked without one is checked at once. */
export const open = (
  options: PoolSettings.PoolOptions
): Effect.Effect<PgClient, OpenError, Scope.Scope | Reactivity> =>
  Effect.suspend(() => {
    const settings = PoolSettings.make(options)
    if (Result.isFailure(settings)) return Effect.fail(fromProblem(settings.failure))
    const config = configure(settings.success)
    const { tls } = settings.success.hosts
    const files = tls === undefined ? Effect.void : Effect.mapError(Tls.read(tls), fromFile(config))
    return Effect.andThen(files, Effect.mapError(make(config), fromSqlError(config)))
  })
