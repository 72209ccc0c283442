/**
 * Everything that can be measured, in the order in which it is.
 */
import * as AppendRows from "./AppendRows.ts"
import * as ConsumerRows from "./ConsumerRows.ts"
import type { Databases } from "./Databases.ts"
import * as MessageDbRows from "./MessageDbRows.ts"
import * as ProcessRows from "./ProcessRows.ts"
import * as ReadModelRows from "./ReadModelRows.ts"
import * as ReadRows from "./ReadRows.ts"
import type { Row } from "./Rounds.ts"
import * as ScaleRows from "./ScaleRows.ts"

export const rows: ReadonlyArray<Row<Databases>> = [
  ...AppendRows.rows,
  ...ReadRows.rows,
  ...ConsumerRows.rows,
  ...ReadModelRows.rows,
  ...ProcessRows.rows,
  ...ScaleRows.rows,
  ...MessageDbRows.rows
]
