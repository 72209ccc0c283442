/**
 * A session that is stepped through its statements, so that several can be interleaved in any order.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SqlClient } from "effect/sql/SqlClient"
import { until } from "./Until.ts"

/**
 * Takes the next of its steps when it has its turn, unless the last one waits for somebody's lock; then this one may as well.
 * `pid` is the process of the session, which `admin` is not.
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
