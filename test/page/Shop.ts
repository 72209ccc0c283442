/**
 * The program that the page's tests look at, on a database of its own, so that it can be killed and started again.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"

const script = fileURLToPath(new URL("shopProcess.ts", import.meta.url))

export class Shop extends Context.Service<Shop, {
  readonly url: string
  /** Kills it. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, at the same address. */
  readonly restart: Effect.Effect<void>
}>()("@eventfold/test/page/Shop") {}

export const layer = Layer.effect(
  Shop,
  Effect.gen(function*() {
    const database = yield* Database.make()
    const scope = yield* Effect.scope
    const start = (port: string) =>
      Effect.gen(function*() {
        const child = yield* Child.start(script, [port, database.url])
        yield* Child.says(child, 1)
        return child
      }).pipe(Effect.provideService(Scope.Scope, scope))
    let child = yield* start("0")
    const url = child.lines[0] ?? ""
    return Shop.of({
      url,
      kill: Effect.suspend(() => child.kill),
      restart: Effect.map(start(new URL(url).port), (started) => {
        child = started
      })
    })
  })
)
