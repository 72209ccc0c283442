/**
 * Everything that can be measured, in the order in which it is measured.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { PeerError, promise } from "./BenchError.ts"
import type { Databases } from "./Databases.ts"
import type { Row } from "./Rounds.ts"

type Rows = ReadonlyArray<Row<Databases>>

const modules: ReadonlyArray<() => Promise<{ readonly rows: Rows }>> = [
  () => import("./AppendRows.ts"),
  () => import("./StreamsRows.ts"),
  () => import("./ReadRows.ts"),
  () => import("./TransactRows.ts"),
  () => import("./ConsumerRows.ts"),
  () => import("./ReadModelRows.ts"),
  () => import("./ProcessRows.ts"),
  () => import("./HttpRows.ts"),
  () => import("./LiveRows.ts"),
  () => import("./ArchiveRows.ts"),
  () => import("./ScaleRows.ts"),
  () => import("./MessageDbRows.ts")
]

/** All rows, over the packages of this checkout. */
export const all = async (): Promise<Rows> =>
  (await Promise.all(modules.map((load) => load()))).flatMap(({ rows }) => rows)

/** The row of a name. When a module does not load over another build's packages, only its own rows fail. */
export const find = Effect.fnUntraced(function*(name: string): Effect.fn.Return<Row<Databases>, PeerError> {
  const loaded = yield* Effect.forEach(modules, (load) => Effect.result(promise(load)))
  const row = loaded.flatMap((module) => Result.isSuccess(module) ? module.success.rows : [])
    .find((row) => row.name === name)
  if (row !== undefined) return row
  const failed = loaded.find(Result.isFailure)
  return yield* failed?.failure ?? new PeerError({ message: `${name} is not a row`, cause: undefined })
})
