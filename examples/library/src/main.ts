/**
 * A day at the library, on a new embedded database: `npx pnpm library`. A second stands for a fortnight.
 */
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Main from "@eventfold/example-command-line/Main"
import { Console, Effect, Layer, References, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Consumer, MessageStore, Observe, ReadModel } from "eventfold"
import { App, listOverdue, overdue, Registered } from "./App.ts"
import { BookCommands, borrow, bringBack, enrol, Loans, Refused } from "./Lending.ts"

/** Says what a member does, or why the librarian refuses it. */
const saying = <A, E, R>(what: string, command: Effect.Effect<A, E, R>) =>
  command.pipe(
    Effect.tap(() => Console.log(what)),
    Effect.tapError((error) => error instanceof Refused ? Console.log(`${what}? No: ${error.message}`) : Effect.void)
  )

const printOverdue = Effect.flatMap(
  listOverdue,
  (rows) => Console.log(`overdue: ${rows.map(({ member, title }) => `"${title}" (${member})`).join(", ") || "nothing"}`)
)

/** What the library says of itself: a loan, and what the process waits for. */
const observeLoan = Effect.fnUntraced(function*(loan: string) {
  const observe = yield* Observe.Observe
  const changes = yield* Stream.runCollect(observe.entityChanges("loan", loan))
  const types = changes.filter(({ isEvent }) => isEvent).map(({ message }) => message.type)
  yield* Console.log(`the loan of Dune: ${types.join(", ")}`)
  const { pending } = yield* observe.process("lending")
  yield* Console.log(`deadlines that are pending: ${pending}`)
})

const day = Effect.gen(function*() {
  yield* BookCommands.Add("dune", { title: "Dune" })
  yield* BookCommands.Add("emma", { title: "Emma" })
  yield* saying("Ann joins", enrol("ann", "Ann", "ann@example.org"))
  yield* saying("Ben joins", enrol("ben", "Ben", "ben@example.org"))
  const dune = yield* saying("Ann borrows Dune", borrow("dune", "ann", "1 second"))
  const emma = yield* saying("Ben borrows Emma", borrow("emma", "ben", "1 minute"))
  for (const member of ["ben", "cid"]) {
    yield* saying(`${member} asks for Dune`, borrow("dune", member, "1 second")).pipe(
      Effect.catchTag("Refused", () => Effect.void)
    )
  }

  yield* Loans.changes(dune).pipe(Stream.takeUntil(({ state }) => state.status === "overdue"), Stream.runDrain)
  yield* ReadModel.waitFor(overdue, yield* MessageStore.MessageStore.use((store) => store.lastPosition))
  yield* printOverdue

  yield* saying("Ben brings back Emma", bringBack("emma", emma))
  const { globalPosition } = yield* saying("Ann brings back Dune", bringBack("dune", dune))
  yield* ReadModel.waitFor(overdue, globalPosition)
  yield* observeLoan(dune)
  yield* printOverdue
})

const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE addresses (member text PRIMARY KEY, email text NOT NULL)`
  yield* Effect.raceFirst(Consumer.launch(App), day)
})

program.pipe(
  Effect.provide(Layer.provideMerge(Registered, CommandLine.databaseLayer({ store: "memory", data: "" }))),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  Main.run
)
