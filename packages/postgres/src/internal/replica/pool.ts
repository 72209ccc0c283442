import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { installed, whyUnusable } from "../../Install.ts"
import { NotReplica, OpenError } from "../../OpenError.ts"
import type { Log } from "../client/log.ts"
import { describeDatabase, fromSqlError } from "../client/openErrors.ts"
import * as Pool from "../client/openPool.ts"
import { settingsOf, sharingOf } from "../client/pool.ts"
import type { PoolOptions } from "../client/poolSettings.ts"
import * as Statements from "../client/statements.ts"
import { makeIdentity } from "../store/identity.ts"

/** How long the schemas may take from the primary to the replica. */
const installation = Schedule.max([Schedule.spaced("50 millis"), Schedule.during("5 seconds")])

/** What the replica is read with. */
interface Options extends PoolOptions {
  readonly statementTimeout?: Statements.Options["timeout"]
}

/** Opens the pool of a replica, and looks that it is a standby of the primary. */
export const open = Effect.fnUntraced(function*(
  primary: Statements.Statements,
  { statementTimeout = "5 seconds", ...options }: Options,
  store: { readonly log: Log; readonly exactNumbers: boolean | undefined }
): Effect.fn.Return<Statements.Statements, OpenError, Scope.Scope> {
  const client = yield* Pool.make({ applicationName: "eventfold", ...options }).pipe(
    Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make)
  )
  const database = describeDatabase(client.config)
  const refuse = (detail: string) => new OpenError({ database, reason: new NotReplica({ detail }) })
  if ((settingsOf(client.config)?.hosts.list.length ?? 1) > 1) {
    return yield* refuse("its URL has several hosts, and what one of them has replayed says nothing of the others")
  }
  if (sharingOf(client.config) !== "own") {
    return yield* refuse(
      "a pooler on the way shares sessions of the server, so that a read could get to one that was restarted meanwhile"
    )
  }
  // What fails here succeeds on the primary: nothing is sent again.
  const replica = yield* Statements.make(client, { ...store, retry: Schedule.recurs(0), timeout: statementTimeout })
  const { bound, sql } = replica
  const look = <A, E>(statements: Effect.Effect<A, E>) => bound.statement(replica.once(statements))
  const rows = sql<{ readonly standby: boolean }>`SELECT pg_is_in_recovery() AS standby`
  const [row] = yield* Effect.mapError(look(rows), fromSqlError(sql.config))
  if (row?.standby !== true) return yield* refuse("the server is a primary itself")
  yield* Effect.gen(function*() {
    const { functions, schema } = yield* Effect.mapError(look(installed(sql)), fromSqlError(sql.config))
    const unusable = whyUnusable(sql, { schema, missing: functions === "none" ? "messageStore" : "eventfold" })
    if (unusable !== undefined) return yield* unusable
  }).pipe(
    // What has just been installed on the primary may still be on its way.
    Effect.retry({
      while: ({ reason }) => reason._tag === "SchemaMissing" || reason._tag === "SchemaOutdated",
      schedule: installation
    })
  )
  const identities = yield* Effect.all([primary, replica].map(makeIdentity)).pipe(
    Effect.mapError(({ reason }) => refuse(`its identity can't be read: ${reason}`))
  )
  const [own, other] = identities
  if (own?.database !== other?.database || own?.databaseName !== other?.databaseName) {
    return yield* refuse(`its database is ${other?.databaseName}, and the primary's ${own?.databaseName}`)
  }
  if (own?.system !== undefined && other?.system !== undefined && own.system !== other.system) {
    return yield* refuse("it has the data of another server")
  }
  return replica
})
