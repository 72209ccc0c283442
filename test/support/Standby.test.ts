import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isSqlError } from "effect/sql/SqlError"
import * as Database from "./Database.ts"
import * as PostgresServer from "./PostgresServer.ts"
import * as Standby from "./Standby.ts"

it.live("a standby answers reads, refuses writes, and takes them once it is promoted, without what came after the copy", () =>
  Effect.gen(function*() {
    const server = yield* PostgresServer.start()
    const first = yield* Database.session(server.url)
    yield* first`CREATE TABLE kept (n int)`
    yield* first`INSERT INTO kept VALUES (1)`
    const standby = yield* Standby.of(server)
    const again = yield* Database.session(server.url)
    yield* again`INSERT INTO kept VALUES (2)`
    assert.deepStrictEqual(yield* again`SELECT n FROM kept`, [{ n: 1 }, { n: 2 }])

    const sql = yield* Database.session(standby.urlOf(server.url))
    assert.deepStrictEqual(yield* sql`SELECT n FROM kept`, [{ n: 1 }])
    const error = yield* Effect.flip(sql`INSERT INTO kept VALUES (3)`)
    assert(isSqlError(error))
    assert.propertyVal(error.reason.cause, "code", "25006")
    yield* standby.promote
    yield* sql`INSERT INTO kept VALUES (3)`
    assert.deepStrictEqual(yield* sql`SELECT n FROM kept`, [{ n: 1 }, { n: 3 }])
  }))
