/**
 * The command that counts.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import { StoreRelation } from "eventfold/StoreBackend"
import * as Stores from "../connection/stores.ts"
import { logOptions } from "../connection/target.ts"
import { CommandFailed } from "../failures/errors.ts"
import * as Print from "../output/print.ts"

/** The reports, and the views of Message DB that they are of. */
const views = {
  streams: "stream",
  types: "type",
  "stream-types": "stream_type",
  "type-streams": "type_stream",
  "category-types": "category_type",
  "type-categories": "type_category"
} as const

const reports = [
  "sizes",
  "streams",
  "types",
  "stream-types",
  "type-streams",
  "category-types",
  "type-categories"
] as const

const units = ["B", "kB", "MB", "GB", "TB"] as const

/** A size with three digits at most before the point. */
const readableSize = (bytes: number): string => {
  const power = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 2 ** (10 * power)).toFixed(power < 2 ? 0 : 1)} ${units[power] ?? ""}`
}

const sizes = Effect.gen(function*() {
  const store = yield* MessageStore
  const isTable = yield* Print.isTable
  const { relations } = yield* store.describe
  yield* Print.list(relations, {
    schema: StoreRelation,
    columns: [
      { title: "schema", cell: ({ schema }) => schema },
      { title: "name", cell: ({ name }) => name },
      { title: "kind", cell: ({ kind }) => kind },
      { title: "table", cell: ({ table }) => table },
      { title: "size", cell: ({ bytes }) => isTable ? readableSize(bytes) : bytes },
      { title: "about rows", cell: ({ rows }) => rows },
      { title: "scans", cell: ({ scans }) => scans }
    ],
    none: "the store tells nothing of its tables"
  })
}).pipe(Effect.provide(Stores.messageStore()))

const summary = Effect.fnUntraced(function*(
  report: keyof typeof views,
  containing: Option.Option<string>,
  limit: Option.Option<number>
) {
  const { schemaVersion, SummaryRow, summary, versionsOf } = yield* Effect.promise(() => import("./database.ts"))
  const log = yield* logOptions
  const { functions, schema } = yield* versionsOf(log)
  // The views are read as they are, without the store, which would say so.
  if (functions === "none") {
    return yield* new CommandFailed({ message: "there is no message store", hint: "eventfold install makes it" })
  }
  if (Option.exists(schema, (installed) => installed < schemaVersion)) {
    return yield* new CommandFailed({
      message: `the eventfold schema is at version ${Option.getOrNull(schema)}, and version ${schemaVersion} is needed`,
      hint: "eventfold upgrade brings it up to date"
    })
  }
  const rows = summary(views[report], { containing: Option.getOrUndefined(containing), ...log })
  const columns = {
    stream: { title: "stream", cell: ({ streamName }: typeof SummaryRow.Type) => streamName },
    category: { title: "category", cell: ({ category }: typeof SummaryRow.Type) => category },
    type: { title: "type", cell: ({ type }: typeof SummaryRow.Type) => type }
  }
  const by = {
    streams: [columns.stream],
    types: [columns.type],
    "stream-types": [columns.stream, columns.type],
    "type-streams": [columns.type, columns.stream],
    "category-types": [columns.category, columns.type],
    "type-categories": [columns.type, columns.category]
  }[report]
  yield* Print.rows(Option.isNone(limit) ? rows : Stream.take(rows, limit.value), {
    schema: SummaryRow,
    columns: [
      ...by,
      { title: "messages", cell: ({ messages }) => messages },
      { title: "percent", cell: ({ percent }) => percent }
    ],
    none: "no message is there"
  })
})

/** Message DB's summaries, and sizes. */
export const report = Command.make(
  "report",
  {
    report: Argument.Literals("report", reports).pipe(
      Argument.withDescription("Of which the summaries are those of Message DB's views; sizes of tables and indexes")
    ),
    containing: Flag.String("containing").pipe(
      Flag.optional,
      Flag.withDescription("Only rows whose first column has this text")
    ),
    limit: Flag.Int("limit").pipe(Flag.withAlias("n"), Flag.optional, Flag.withDescription("How many rows at most"))
  },
  ({ containing, limit, report }) =>
    report === "sizes" ? sizes : Effect.provide(summary(report, containing, limit), Stores.client())
).pipe(
  Command.withDescription(
    "Counts the messages of the store by stream, category and type, the most first, or tells the sizes of its tables. A count reads all messages"
  ),
  Command.withShortDescription("Count messages, and tell sizes"),
  Command.withExamples([
    { command: "eventfold report sizes", description: "What takes the room" },
    { command: "eventfold report streams --containing account- -n 10", description: "The longest streams of accounts" },
    { command: "eventfold report category-types -o csv", description: "For a spreadsheet" }
  ])
)
