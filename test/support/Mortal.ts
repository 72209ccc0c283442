/**
 * A server that a test may kill, and a database on it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"

export class Mortal extends Context.Service<
  Mortal,
  PostgresServer.PostgresServer & {
    /** The URL of a database with the schemas installed. */
    readonly database: string
  }
>()("@eventfold/test/Mortal") {
  static readonly layer = Layer.effect(
    Mortal,
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      const { url } = yield* Database.make({ server })
      return { ...server, database: url }
    })
  )
}
