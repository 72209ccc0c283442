/**
 * What is right and what is wrong with a database, as a store needs it: each check says what to do.
 *
 * **When to use**
 *
 * Before programs go to a server, and when something is not as it should be. It changes nothing.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as MessageStore from "eventfold/MessageStore"
import * as Runners from "eventfold/Runners"
import { type Found, installed, type LogOptions, schemaVersion, whyUnusable } from "./Install.ts"
import { isInProcess } from "./internal/client/connections.ts"
import * as Log from "./internal/client/log.ts"
import { fromSqlError } from "./internal/client/openErrors.ts"
import * as OwnClient from "./internal/client/ownClient.ts"
import * as Catalog from "./internal/diagnosis/catalog.ts"
import { type Check, check, type Finding, skipped } from "./internal/diagnosis/check.ts"
import * as Sessions from "./internal/diagnosis/sessions.ts"
import type { OpenError } from "./OpenError.ts"
import * as Postgres from "./Postgres.ts"

/** @since 0.1.0 */
export { Check, CheckName, CheckStatus } from "./internal/diagnosis/check.ts"

/** Two stores on one database, each with sessions of its own as two programs have them. */
const twoStores = (client: PgClient.PgClient, { schema }: LogOptions) => {
  const open = Layer.build(Layer.fresh(Postgres.layerClient({ announce: false, schema }))).pipe(
    Effect.map(Context.get(MessageStore.MessageStore)),
    Effect.provideService(PgClient.PgClient, client),
    Effect.provideService(Runners.Telling, false)
  )
  return Effect.all([open, open])
}

/** What the database has, as far as the user may see it. */
type Seen = Found | "hidden"

/** Whether this library can open the store. */
const isUsable = (sql: PgClient.PgClient, seen: Seen): boolean =>
  seen !== "hidden" &&
  (seen.functions === "stock" && seen.schema === undefined ||
    whyUnusable(sql, { schema: seen.schema, missing: "eventfold" }) === undefined)

const hidden = skipped("the user may not use the schemas: see privileges")

/** A check that is worded for the default log, in the words of another one. */
const inLog = ({ named }: Log.Log) => ({ check, detail, remedy, status }: Check): Check => ({
  check,
  status,
  detail: named(detail),
  remedy: Option.map(remedy, named)
})

/** One check by its findings. */
const one = (name: Check["check"], findings: Effect.Effect<ReadonlyArray<Finding>>) =>
  Effect.map(findings, (findings) => check(name, findings))

/** The checks of wake-ups and leases. Within a process there is nobody else. */
const betweenPrograms = Effect.fnUntraced(function*(
  client: PgClient.PgClient,
  options: LogOptions,
  seen: Seen,
  sharesSessions: boolean
) {
  if (isInProcess(client)) {
    const alone = [skipped("the database is in this process: no other program uses it")]
    return [check("wake-ups", alone), check("leases", alone)]
  }
  const wakeUps = sharesSessions
    ? [skipped("the sessions are shared: see pooler")]
    : yield* Sessions.wakeUps(client)
  const leases: ReadonlyArray<Finding> = !isUsable(client, seen)
    ? [skipped("there is no store that this library can open: see schema")]
    : yield* Effect.scoped(Effect.flatMap(twoStores(client, options), ([one, other]) => Sessions.leases(one, other)))
  return [check("wake-ups", wakeUps), check("leases", leases)]
})

/**
 * Looks at everything, one after the other. Each check comes when it is done.
 *
 * **Details**
 *
 * It costs some twenty statements that read catalogs, two connections beside the client's for the leases, and one of the pool for the
 * wake-up, which has five seconds to come. It needs the rights of an application, and says what more it could see with others. A check whose
 * own statement fails is a `problem`. The stream fails only when the database can't be asked at all.
 *
 * @example
 * ```ts
 * import { Diagnosis } from "@eventfold/postgres"
 * import { Console, Option, Stream } from "effect"
 *
 * const show = Stream.runForEach(
 *   Diagnosis.checks,
 *   ({ check, detail, remedy, status }) => Console.log(status, check, detail, Option.getOrElse(remedy, () => ""))
 * )
 * ```
 *
 * @category diagnosing
 * @since 0.1.0
 */
export const checks: Stream.Stream<Check, OpenError, PgClient.PgClient> = Stream.suspend(() => checksOf({}))

/**
 * Looks at everything, as {@link checks} does, for a log.
 *
 * @category diagnosing
 * @since 0.1.0
 */
export const checksOf = (options: LogOptions): Stream.Stream<Check, OpenError, PgClient.PgClient> =>
  Stream.unwrap(Effect.gen(function*() {
    const client = yield* PgClient.PgClient
    const log = yield* Log.fromOption(options.schema)
    const sql = OwnClient.of(client, log)
    const asked = Effect.mapError(fromSqlError(sql.config))
    const seen: Seen = yield* asked(installed(sql)).pipe(
      Effect.catchIf(({ reason }) => reason._tag === "PermissionDenied", () => Effect.succeed("hidden" as const))
    )
    const inProcess = isInProcess(client)
    const sharing = inProcess ? "own" : yield* asked(Sessions.sharing(client))
    const ofStore = (findings: ReturnType<typeof Catalog.guarded>) =>
      seen === "hidden"
        ? Effect.succeed([hidden])
        : seen.functions === "none"
        ? Effect.succeed([skipped("there is no message store: see schema")])
        : findings
    const ofServer = (findings: ReturnType<typeof Catalog.guarded>) =>
      inProcess ? Effect.succeed([skipped("the database is in this process, and belongs to its user")]) : findings
    const looks = [
      one("connection", Catalog.guarded(Catalog.connection(sql, inProcess))),
      one(
        "pooler",
        Effect.succeed(inProcess ? [skipped("the database is in this process")] : Sessions.pooler(sharing))
      ),
      one("schema", Effect.succeed(seen === "hidden" ? [hidden] : Catalog.schema(seen, schemaVersion))),
      one(
        "privileges",
        ofServer(
          seen === "hidden"
            ? Catalog.guarded(Catalog.privileges(sql))
            : ofStore(Catalog.guarded(Catalog.privileges(sql)))
        )
      ),
      one("search path", ofServer(Catalog.guarded(Catalog.searchPath(sql)))),
      one("indexes", ofStore(Catalog.guarded(Catalog.indexes(sql)))),
      one("autovacuum", ofStore(Catalog.guarded(Catalog.autovacuum(sql)))),
      one(
        "durability",
        inProcess
          ? Effect.succeed([
            skipped("PGlite does not wait for the disk: the last messages may be lost when the machine stops at once")
          ])
          : Catalog.guarded(Catalog.durability(sql))
      ),
      one("transactions", Catalog.guarded(Catalog.transactions(sql))),
      one("clock", Catalog.guarded(Catalog.clock(sql)))
    ]
    return Stream.concat(
      Stream.mapEffect(
        Stream.fromIterable(looks),
        Effect.map(inLog(log))
      ),
      Stream.fromIterableEffect(betweenPrograms(client, options, seen, sharing !== "own"))
    )
  })).pipe(Stream.withSpan("Diagnosis.checks"))
