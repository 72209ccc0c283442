/**
 * A server that wants passwords of everybody but the superuser.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"
import { until } from "./Until.ts"

/** That of the role `guarded`. */
export const password = "p@ss/w0rd:s3cret"

export class GuardedServer extends Context.Service<GuardedServer, PostgresServer.PostgresServer>()(
  "@eventfold/test/GuardedServer"
) {
  static readonly layer = Layer.effect(
    GuardedServer,
    Effect.gen(function*() {
      const server = yield* PostgresServer.start()
      yield* Effect.scoped(Effect.gen(function*() {
        const sql = yield* Database.session(server.url)
        yield* sql.unsafe(`CREATE ROLE guarded LOGIN PASSWORD '${password}'`)
        const rules = "SELECT unnest(ARRAY['host all postgres,ghost all trust', 'host all all all scram-sha-256'])"
        yield* sql.unsafe(`DO $$ BEGIN
          EXECUTE format('COPY (${rules.replaceAll("'", "''")}) TO %L', current_setting('hba_file'));
        END $$`)
        yield* sql`SELECT pg_reload_conf()`
      }))
      const guarded = Effect.scoped(
        Database.session(Database.urlAs(server.url, "guarded", "wrong")).pipe(
          Effect.flatMap((sql) => sql`SELECT 1`),
          Effect.match({ onFailure: () => true, onSuccess: () => false })
        )
      )
      yield* until("the server wants passwords", guarded)
      return server
    })
  )
}
