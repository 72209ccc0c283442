/**
 * Roles for tests, each with its own name. The end of the scope drops them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomBytes } from "node:crypto"
import * as Database from "./Database.ts"

export interface Role {
  readonly name: string
  /** Connects to the database of the URL as this role. */
  readonly url: (url: string) => string
}

/** Makes a role that may log in, with further attributes such as `CREATEROLE`. */
export const make = Effect.fnUntraced(function*(attributes = ""): Effect.fn.Return<
  Role,
  SqlError,
  Scope.Scope | SqlClient
> {
  const sql = yield* SqlClient
  const name = `eventfold_test_${randomBytes(6).toString("hex")}`
  const password = randomBytes(12).toString("hex")
  yield* Effect.acquireRelease(
    sql.unsafe(`CREATE ROLE ${name} LOGIN PASSWORD '${password}' ${attributes}`),
    // The database with what the role owns is dropped first.
    () => Effect.ignore(Effect.andThen(sql`DROP OWNED BY ${sql(name)} CASCADE`, sql`DROP ROLE ${sql(name)}`))
  )
  return { name, url: (url) => Database.urlAs(url, name, password) }
})
