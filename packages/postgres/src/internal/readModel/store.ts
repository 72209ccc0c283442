import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { type Backend, type Build, BuildMoved, make as makeService, type Service } from "eventfold/ReadModelStore"
import { StoreError } from "eventfold/StoreError"
import { isUnique, storeError } from "../client/sqlError.ts"
import { retrying } from "../store/reads.ts"
import {
  buildOf,
  type BuildRow,
  checkpointColumns,
  checkpointValues,
  isAsFar,
  isBuild,
  isSame,
  schemaOf
} from "./buildRows.ts"
import { differencesOf } from "./differences.ts"
import { dropTables, entering, installTables, makeTables, replaceTables } from "./tables.ts"
import { inTransaction, withClient } from "./transaction.ts"

const moved = ({ number, readModel }: Pick<Build, "number" | "readModel">) => new BuildMoved({ readModel, number })

/** A failure of the store's own statements. */
const own = (operation: string) =>
<A, E extends { readonly _tag: string }, R>(
  statements: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | StoreError, R> =>
  Effect.mapError(
    statements,
    (error) => isSqlError(error) ? storeError(operation)(error) : error as Exclude<E, SqlError>
  )

/** Somebody still reads the tables. */
const isInUse = (error: unknown): boolean =>
  error instanceof StoreError && isSqlError(error.cause) && error.cause.reason._tag === "LockTimeoutError"

/** The row that was changed, if it was still as it had to be. */
const changed = (operation: string, build: Build, rows: Effect.Effect<ReadonlyArray<BuildRow>, SqlError>) =>
  Effect.flatMap(
    Effect.mapError(rows, storeError(operation)),
    ([row]): Effect.Effect<Build, BuildMoved | StoreError> =>
      row === undefined ? Effect.fail(moved(build)) : buildOf(row)
  )

/** The store of read models on a database with the `eventfold` schema. */
export const make = (sql: PgClient): Service => {
  const provideClient = withClient(sql)

  const setState = (build: Build, state: "live" | "retired") =>
    changed(
      "switchTo",
      build,
      sql<BuildRow>`UPDATE eventfold.read_models SET state = ${state}
        WHERE ${isBuild(sql, build)} AND ${isAsFar(sql, build)} RETURNING *`
    )

  const drop: Backend["drop"] = (build) =>
    Effect.andThen(
      changed(
        "drop",
        build,
        sql<BuildRow>`DELETE FROM eventfold.read_models WHERE ${isBuild(sql, build)} AND state <> 'live' RETURNING *`
      ),
      own("drop")(dropTables(sql, build))
    ).pipe(
      inTransaction(sql, "drop"),
      Effect.retry({ while: isInUse, schedule: Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(4)]) })
    )

  return makeService({
    builds: (readModel) =>
      retrying(sql<BuildRow>`SELECT * FROM eventfold.read_models WHERE read_model = ${readModel} ORDER BY number`).pipe(
        Effect.mapError(storeError("builds")),
        Effect.flatMap((rows) => Effect.forEach(rows, buildOf))
      ),

    create: (definition, { after, checkpoint }) =>
      Effect.gen(function*() {
        const { fingerprint, name, version } = definition
        const rows = sql<BuildRow>`INSERT INTO eventfold.read_models
            (read_model, number, version, fingerprint, state, ${checkpointColumns(sql)})
          SELECT ${name}, ${after + 1}, ${version}, ${fingerprint},
            CASE WHEN EXISTS (SELECT FROM eventfold.read_models WHERE read_model = ${name} AND state = 'live')
              THEN 'building' ELSE 'live' END,
            ${checkpointValues(sql, checkpoint)}
          WHERE ${after} = (SELECT coalesce(max(number), 0) FROM eventfold.read_models WHERE read_model = ${name})
          RETURNING *`
        const [row] = yield* Effect.catchIf(rows, isUnique, () => Effect.succeed([]))
        if (row === undefined) return yield* moved({ readModel: name, number: after })
        const build = yield* buildOf(row)
        yield* makeTables(sql, definition, build)
        return build
      }).pipe(own("create"), inTransaction(sql, "create")),

    advance: (build, to, handle) => {
      const { columns, from } = entering(sql, schemaOf(build))
      const move = sql<BuildRow>`WITH moved AS (
          UPDATE eventfold.read_models SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
          WHERE ${isBuild(sql, build)} AND ${isAsFar(sql, build)}
          RETURNING *
        )
        SELECT moved.*, ${columns} FROM moved, ${from}`
      return inTransaction(sql, "advance")(
        Effect.tap(changed("advance", build, move), () => provideClient(handle))
      )
    },

    switchTo: (build, prepare) =>
      Effect.gen(function*() {
        // In this order, in which everybody locks them.
        const rows = yield* sql<BuildRow>`SELECT * FROM eventfold.read_models
          WHERE read_model = ${build.readModel} ORDER BY number FOR UPDATE`.pipe(
          Effect.mapError(storeError("switchTo"))
        )
        const builds = yield* Effect.forEach(rows, buildOf)
        const live = builds.find(({ state }) => state === "live")
        const found = builds.find(({ number }) => number === build.number)
        if (found === undefined || found === live || !isSame(found, build)) return yield* moved(build)

        const differences = live === undefined ? Effect.succeed([]) : own("compare")(
          differencesOf(sql, schemaOf(live), schemaOf(build))
        )
        const prepared = yield* prepare(Option.fromNullishOr(live), differences)
        if (live === undefined) {
          yield* own("switchTo")(installTables(sql, prepared))
        } else {
          if (prepared.checkpoint.position < live.checkpoint.position) return yield* moved(build)
          yield* setState(live, "retired")
          yield* own("switchTo")(replaceTables(sql, live, prepared))
        }
        const old = builds.filter(({ number, state }) => state === "retired" && number !== build.number)
        return { build: yield* setState(prepared, "live"), old }
      }).pipe(
        inTransaction(sql, "switchTo"),
        Effect.tap(({ old }) =>
          // Later, because queries may still read them; who can't be dropped now is by the next switch.
          Effect.forEach(
            old,
            (retired) => Effect.ignore(drop(retired), { log: "Warn", message: "a retired build was left where it is" }),
            {
              discard: true
            }
          )
        ),
        Effect.map((switched) => switched.build)
      ),

    rewind: (build, to) =>
      changed(
        "rewind",
        build,
        sql<BuildRow>`UPDATE eventfold.read_models SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
          WHERE ${isBuild(sql, build)} RETURNING *`
      ),

    accept: (build, fingerprint) =>
      changed(
        "accept",
        build,
        sql<BuildRow>`UPDATE eventfold.read_models SET fingerprint = ${fingerprint} WHERE ${
          isBuild(sql, build)
        } RETURNING *`
      ),

    drop
  })
}
