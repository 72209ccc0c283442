/**
 * The commands that set a store up, and say what is wrong with it.
 */
import type { OpenError } from "@eventfold/postgres/OpenError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import process from "node:process"
import * as Stores from "../connection/stores.ts"
import { logOptions } from "../connection/target.ts"
import { CommandFailed, ProblemsFound, StoreMissing } from "../failures/errors.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { tell } from "../output/terminal.ts"

const loadDatabase = Effect.promise(() => import("./database.ts"))

const Installed = Schema.Struct({
  database: Schema.String,
  version: Schema.Int,
  previousVersion: Schema.OptionFromNullOr(Schema.Int),
  mended: Schema.Array(Schema.String),
  unmended: Schema.Array(Schema.String),
  traceIndexes: Schema.Struct({ areReady: Schema.Boolean, statements: Schema.Array(Schema.String) })
})

interface InstallFlags {
  readonly noRole: boolean
  readonly owner: Option.Option<string>
  readonly replaceFunctions: boolean
  readonly traceIndexes: Option.Option<boolean>
}

/** Where a store is: the database of a folder has a name that says nothing. */
const placeOf = Effect.fnUntraced(function*(database: string) {
  const target = yield* Stores.Named
  const { schema } = yield* logOptions
  const place = target._tag === "Folder" ? `the folder ${target.path}` : `the database ${database}`
  return schema === undefined ? place : `the log ${schema} of ${place}`
})

/** What the command calls the option that the scripts of the schemas name. */
const withFlags = (error: OpenError): OpenError | CommandFailed =>
  error.reason._tag === "PermissionDenied" && error.reason.detail.includes("role=off")
    ? new CommandFailed({
      message: error.message,
      hint: "--no-role installs without the role message_store, for the user alone"
    })
    : error

/** Installs the schemas, and tells what it has found. */
const installed = Effect.fnUntraced(function*({ noRole, owner, replaceFunctions, traceIndexes }: InstallFlags) {
  const { install, versionsOf } = yield* loadDatabase
  const log = yield* logOptions
  const done = yield* install({
    role: !noRole,
    owner: Option.getOrUndefined(owner),
    replaceFunctions,
    traceIndexes: Option.getOrUndefined(traceIndexes),
    ...log
  }).pipe(Effect.mapError(withFlags))
  const { database } = yield* versionsOf(log)
  const from = Option.match(done.previousVersion, {
    onNone: () => "is installed, at version",
    onSome: (before) =>
      before === done.version ? "was there already, at version" : `is upgraded from version ${before} to`
  })
  yield* Print.done(
    `the store in ${yield* placeOf(database)} ${from} ${done.version}`,
    { database, ...done },
    Installed
  )
  if (!(yield* Print.isTable)) return
  for (const object of done.mended) yield* tell(`mended, look who made what it used: ${object}`)
  for (const object of done.unmended) yield* tell(`bound to an object of others, in a stock Message DB: ${object}`)
  if (done.traceIndexes.statements.length > 0) {
    yield* tell(
      `the table is large or in use: make the indexes beside all writers\n${done.traceIndexes.statements.join(";\n")};`
    )
  }
})

const installFlags = {
  noRole: Flag.Boolean("no-role").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Neither make the role message_store nor grant it anything")
  ),
  owner: Flag.String("owner").pipe(
    Flag.optional,
    Flag.withDescription("The role that owns the schemas; the user by default")
  ),
  replaceFunctions: Flag.Boolean("replace-functions").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Replace the functions and views of a stock Message DB, and keep its table")
  ),
  traceIndexes: Flag.Boolean("trace-indexes").pipe(
    Flag.optional,
    Flag.withDescription("Make the indexes with which traces are found; --no-trace-indexes removes them")
  )
}

/** Installs the schemas. */
export const install = Command.make(
  "install",
  installFlags,
  (flags) => Effect.provide(installed(flags), Stores.client({ mayCreate: true }))
).pipe(
  Command.withDescription(
    "Installs the schemas in a database, or makes a store in a folder. It can be repeated, and touches no message. " +
      "Beside a stock Message DB it adds the schema eventfold"
  ),
  Command.withShortDescription("Make a store in a database or a folder"),
  Command.withExamples([
    { command: "eventfold install --url postgres://owner@localhost/shop" },
    { command: "eventfold install --data .eventfold", description: "A store in a folder, without a server" },
    { command: "eventfold install --trace-indexes", description: "With the indexes for traces" }
  ])
)

/** Brings the schemas up to date. */
export const upgrade = Command.make("upgrade", installFlags, (flags) =>
  Effect.gen(function*() {
    const { versionsOf } = yield* loadDatabase
    const log = yield* logOptions
    const { database, functions } = yield* versionsOf(log)
    if (functions === "none") {
      return yield* new StoreMissing({
        message: `${yield* placeOf(database)} has no store to upgrade`,
        hint: "eventfold install makes one"
      })
    }
    yield* installed(flags)
  }).pipe(Effect.provide(Stores.client()))).pipe(
    Command.withDescription(
      "Brings the schemas of a store up to date, while programs run. Upgrade the schemas first, and the programs after them"
    ),
    Command.withShortDescription("Bring the schemas up to date"),
    Command.withExamples([{ command: "eventfold upgrade --url postgres://owner@localhost/shop" }])
  )

const Uninstalled = Schema.Struct({ database: Schema.String, messageStore: Schema.Boolean, role: Schema.Boolean })

/** Removes the schemas. */
export const uninstall = Command.make("uninstall", {
  stock: Flag.Boolean("stock").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Remove a stock Message DB as well, with its messages")
  )
}, ({ stock }) =>
  Effect.gen(function*() {
    const { uninstall, versionsOf } = yield* loadDatabase
    const log = yield* logOptions
    const { database, functions } = yield* versionsOf(log)
    if (functions === "none") {
      return yield* new StoreMissing({ message: `${yield* placeOf(database)} has no store to remove` })
    }
    const place = yield* placeOf(database)
    yield* confirm(
      functions === "ours" || stock
        ? `Remove the store of ${place}, with every message in it?`
        : `Remove the schema eventfold of ${place}, and leave its Message DB?`
    )
    const done = yield* uninstall({ database, stock, ...log })
    yield* Print.done(
      `removed from ${place}: ${done.messageStore ? "all messages, and " : ""}the schema eventfold` +
        `${done.role ? ", and the role message_store" : ""}. The database itself is still there`,
      { database, ...done },
      Uninstalled
    )
  }).pipe(Effect.provide(Stores.client()))).pipe(
    Command.withDescription(
      "Removes the schemas from a database, with every message in them. It asks first; the database stays"
    ),
    Command.withShortDescription("Remove the store from a database"),
    Command.withExamples([{ command: "eventfold uninstall --url postgres://owner@localhost/shop" }])
  )

/** What is installed. */
export const version = (command: string) =>
  Command.make("version", {}, () =>
    Effect.gen(function*() {
      const { schemaVersion, Versions, versionsOf } = yield* loadDatabase
      const store = yield* versionsOf(yield* logOptions)
      yield* Print.record({ command, node: process.versions.node, librarySchema: schemaVersion, store }, {
        schema: Schema.Struct({
          command: Schema.String,
          node: Schema.String,
          // The version of the schema that the command is made for.
          librarySchema: Schema.Int,
          store: Versions
        }),
        columns: [
          { title: "command", cell: ({ command }) => command },
          { title: "Node", cell: ({ node }) => node },
          { title: "schema of the command", cell: ({ librarySchema }) => librarySchema },
          { title: "schema of the store", cell: ({ store }) => store.schema },
          { title: "functions", cell: ({ store }) => store.functions },
          { title: "Message DB", cell: ({ store }) => store.messageDb },
          { title: "PostgreSQL", cell: ({ store }) => store.server },
          { title: "database", cell: ({ store }) => store.database },
          { title: "user", cell: ({ store }) => store.user }
        ]
      })
    }).pipe(Effect.provide(Stores.client()))).pipe(
      Command.withDescription("Prints the versions of the command, of the store's schemas and of the server"),
      Command.withShortDescription("Print versions"),
      Command.withExamples([{ command: "eventfold version" }])
    )

/** What is right and what is wrong. */
export const doctor = Command.make("doctor", {}, () =>
  Effect.gen(function*() {
    const { Check, checksOf } = yield* loadDatabase
    let problems = 0
    const counted = Stream.tap(checksOf(yield* logOptions), ({ status }) =>
      Effect.sync(() => {
        if (status === "problem") problems += 1
      }))
    const isTable = yield* Print.isTable
    // A person reads all of a text, so it is below its check, and not cut.
    yield* Print.rows(counted, {
      schema: Check,
      columns: [
        { title: "status", cell: ({ status }) => status },
        { title: "check", cell: ({ check }) => check },
        { title: "detail", cell: ({ detail }) => detail },
        ...(isTable ? [] : [{ title: "remedy", cell: ({ remedy }: typeof Check.Type) => remedy }])
      ],
      note: ({ remedy }) => Option.map(remedy, (text) => `→ ${text}`),
      none: ""
    })
    if (problems > 0) return yield* ProblemsFound.of(problems)
  }).pipe(Effect.provide(Stores.client()))).pipe(
    Command.withDescription(
      "Looks at the connection, poolers in between, privileges, schemas, indexes, autovacuum, clocks, wake-ups and leases, and says what " +
        "to do. It changes nothing. Exit code 4 when something is wrong"
    ),
    Command.withShortDescription("Say what is wrong, and what to do"),
    Command.withExamples([
      {
        command: "eventfold doctor --url postgres://app@localhost/shop",
        description: "As the user of the application"
      },
      { command: "eventfold doctor --json", description: "For a scheduled job" }
    ])
  )
