/**
 * A session that takes its statements step by step, so that a test can interleave several in any order.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SqlClient } from "effect/sql/SqlClient"
import { until } from "./Until.ts"

/**
 * A session whose `step` takes its next step, unless the last one waits for a lock. `pid` is the server process of the
 * session; `admin` is another session, which sees whether it waits.
 */
export const make = <E>(admin: SqlClient, pid: number, steps: Array<Effect.Effect<unknown, E>>) => {
  let current: Fiber.Fiber<unknown, E> | undefined
  const isIdle = () => current === undefined || current.pollUnsafe() !== undefined
  const isBlocked = Effect.map(
    admin`SELECT FROM pg_locks WHERE pid = ${pid} AND NOT granted`,
    (rows) => rows.length > 0
  )
  const step = Effect.gen(function*() {
    if (!isIdle()) return
    if (current !== undefined) yield* Fiber.join(current)
    const next = steps.shift()
    if (next === undefined) return
    current = yield* Effect.forkScoped(next, { startImmediately: true })
    yield* until("the step is done or waits", Effect.suspend(() => isIdle() ? Effect.succeed(true) : isBlocked))
  })
  return { step, isDone: () => steps.length === 0 && isIdle() }
}
