import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import {
  type Build,
  BuildMoved,
  type Checkpoint,
  type Definition,
  make as makeService,
  type Service,
  type TableDifference
} from "eventfold/ReadModelStore"
import { StoreError } from "eventfold/StoreError"
import { type Bounded, patiently } from "../client/bound.ts"
import { provideClient } from "../client/connections.ts"
import { isUniqueViolation, storeError } from "../client/sqlError.ts"
import type { Statements } from "../client/statements.ts"
import { inTransaction } from "../client/transactions.ts"
import {
  buildOf,
  type BuildRow,
  checkpointColumns,
  checkpointValues,
  isAtCheckpoint,
  isBuild,
  isUnchanged,
  schemaOf
} from "./buildRows.ts"
import { differencesOf } from "./differences.ts"
import { dropTables, enterSchema, installTables, makeTables, replaceTables } from "./tables.ts"

const moved = ({ number, readModel }: Pick<Build, "number" | "readModel">) => new BuildMoved({ readModel, number })

/** Turns the failures of the store's own statements into `StoreError`s, and keeps all other errors. */
const ownStatements = (operation: string) =>
<A, E extends { readonly _tag: string }, R>(
  statements: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | StoreError, R> =>
  Effect.mapError(
    statements,
    (error) => isSqlError(error) ? storeError(operation)(error) : error as Exclude<E, SqlError>
  )

/** The build of the row that a statement changed; `BuildMoved` when no row was as the statement expects. */
const changedBuild = (operation: string, build: Build, rows: Effect.Effect<ReadonlyArray<BuildRow>, SqlError>) =>
  Effect.flatMap(
    Effect.mapError(rows, storeError(operation)),
    ([row]): Effect.Effect<Build, BuildMoved | StoreError> =>
      row === undefined ? Effect.fail(moved(build)) : buildOf(row)
  )

const create = (
  { bound, sql }: Bounded,
  definition: Definition,
  { after, checkpoint }: { readonly after: number; readonly checkpoint: Checkpoint }
) =>
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
    const [row] = yield* Effect.catchIf(rows, isUniqueViolation, () => Effect.succeed([]))
    if (row === undefined) return yield* moved({ readModel: name, number: after })
    const build = yield* buildOf(row)
    yield* makeTables(sql, definition, build)
    return build
  }).pipe(ownStatements("create"), inTransaction({ bound, sql }, "create"))

/** Moves the checkpoint, from which on others wait, and enters the schema for the handlers: one statement. */
const moveCheckpoint = (sql: PgClient, build: Build, to: Checkpoint) => {
  const { columns, from } = enterSchema(sql, schemaOf(sql, build))
  return sql<BuildRow>`WITH moved AS (
      UPDATE eventfold.read_models SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
      WHERE ${isBuild(sql, build)} AND ${isAtCheckpoint(sql, build)}
      RETURNING *
    )
    SELECT moved.*, ${columns} FROM moved, ${from}`
}

const setState = (sql: PgClient, build: Build, state: "live" | "retired") =>
  changedBuild(
    "switchTo",
    build,
    sql<BuildRow>`UPDATE eventfold.read_models SET state = ${state}
      WHERE ${isBuild(sql, build)} AND ${isAtCheckpoint(sql, build)} RETURNING *`
  )

/** Queries still read the tables. */
const isInUse = (error: unknown): boolean =>
  error instanceof StoreError && isSqlError(error.cause) && error.cause.reason._tag === "LockTimeoutError"

const drop = ({ bound, sql }: Bounded, build: Build) =>
  Effect.andThen(
    changedBuild(
      "drop",
      build,
      sql<BuildRow>`DELETE FROM eventfold.read_models WHERE ${isBuild(sql, build)} AND state <> 'live' RETURNING *`
    ),
    ownStatements("drop")(dropTables(sql, build))
  ).pipe(
    inTransaction({ bound, sql }, "drop"),
    Effect.retry({ while: isInUse, schedule: Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(4)]) })
  )

type Prepare<E, R> = (
  live: Option.Option<Build>,
  differences: Effect.Effect<ReadonlyArray<TableDifference>, StoreError>
) => Effect.Effect<Build, E, R>

/**
 * Locks the builds, has the new one prepared, and puts it in the place of the live one. Gives the retired builds as
 * well.
 */
const replaceLive = Effect.fnUntraced(function*<E, R>(sql: PgClient, build: Build, prepare: Prepare<E, R>) {
  // By number: every transaction locks them in this order.
  const rows = yield* sql<BuildRow>`SELECT * FROM eventfold.read_models
    WHERE read_model = ${build.readModel} ORDER BY number FOR UPDATE`.pipe(Effect.mapError(storeError("switchTo")))
  const builds = yield* Effect.forEach(rows, buildOf)
  const live = builds.find(({ state }) => state === "live")
  const found = builds.find(({ number }) => number === build.number)
  if (found === undefined || found === live || !isUnchanged(found, build)) return yield* moved(build)

  // The comparison reads both tables to their ends.
  const differences = live === undefined ? Effect.succeed([]) : ownStatements("compare")(
    patiently(differencesOf(sql, schemaOf(sql, live), schemaOf(sql, build)))
  )
  const prepared = yield* prepare(Option.fromNullishOr(live), differences)
  if (live === undefined) {
    yield* ownStatements("switchTo")(installTables(sql, prepared))
  } else {
    if (prepared.checkpoint.position < live.checkpoint.position) return yield* moved(build)
    yield* setState(sql, live, "retired")
    yield* ownStatements("switchTo")(replaceTables(sql, live, prepared))
  }
  const retired = builds.filter(({ number, state }) => state === "retired" && number !== build.number)
  return { live: yield* setState(sql, prepared, "live"), retired }
})

const switchTo = <E, R>(bounded: Bounded, build: Build, prepare: Prepare<E, R>) =>
  replaceLive(bounded.sql, build, prepare).pipe(
    inTransaction(bounded, "switchTo"),
    // In transactions of their own, because queries may still read the tables. The next switch tries again.
    Effect.tap(({ retired }) =>
      Effect.forEach(
        retired,
        (old) => Effect.ignore(drop(bounded, old), { log: "Warn", message: "retired build could not be dropped" }),
        { discard: true }
      )
    ),
    Effect.map(({ live }) => live)
  )

/** The store of read models on a database with the `eventfold` schema. */
export const make = (statements: Statements): Service => {
  const { application, bound, query, renewing, sql } = statements
  const onClient = provideClient(application)

  return makeService({
    builds: (readModel) =>
      query(
        "builds",
        sql<BuildRow>`SELECT * FROM eventfold.read_models WHERE read_model = ${readModel} ORDER BY number`
      ).pipe(Effect.flatMap((rows) => Effect.forEach(rows, buildOf))),

    list: query("list", sql<BuildRow>`SELECT * FROM eventfold.read_models ORDER BY read_model COLLATE "C", number`)
      .pipe(
        Effect.flatMap((rows) => Effect.forEach(rows, buildOf))
      ),

    create: (definition, options) => renewing(create(statements, definition, options)),

    advance: (build, to, handle) =>
      renewing(
        inTransaction(statements, "advance")(
          Effect.tap(changedBuild("advance", build, moveCheckpoint(sql, build, to)), () => onClient(handle))
        )
      ),

    switchTo: (build, prepare) => renewing(switchTo(statements, build, prepare)),

    rewind: (build, to) =>
      renewing(changedBuild(
        "rewind",
        build,
        bound.statement(sql<BuildRow>`UPDATE eventfold.read_models
          SET (${checkpointColumns(sql)}) = ROW (${checkpointValues(sql, to)})
          WHERE ${isBuild(sql, build)} RETURNING *`)
      )),

    accept: (build, fingerprint) =>
      renewing(changedBuild(
        "accept",
        build,
        bound.statement(sql<BuildRow>`UPDATE eventfold.read_models SET fingerprint = ${fingerprint}
          WHERE ${isBuild(sql, build)} RETURNING *`)
      )),

    drop: (build) => renewing(drop(statements, build))
  })
}
