/**
 * A day at the library, on an embedded database. A second stands for a fortnight.
 */
import { NodeRuntime } from "@effect/platform-node"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import { Console, Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Consumer, ReadModel } from "eventfold"
import { App, listOverdue, overdue } from "./App.ts"
import * as Lending from "./Lending.ts"

/** Says what the librarian answers: one's own refusals, and nothing that the store may say. */
const saying = <A, E, R>(what: string, command: Effect.Effect<A, E | Lending.Refused, R>) =>
  command.pipe(
    Effect.tap(() => Console.log(what)),
    Effect.tapErrorTag("Refused", ({ message }) => Console.log(`${what}: refused, ${message}`))
  )

const printOverdue = Effect.flatMap(listOverdue, (rows) =>
  Console.log(`overdue: ${rows.map(({ member, title }) => `"${title}" (${member})`).join(", ") || "nothing"}`))

const day = Effect.gen(function*() {
  yield* Lending.addBook("dune", "Dune")
  yield* Lending.addBook("emma", "Emma")
  yield* saying("Ann joins", Lending.enrol("ann", "Ann", "ann@example.org"))
  yield* saying("Ben joins", Lending.enrol("ben", "Ben", "ben@example.org"))
  const dune = yield* saying("Ann borrows Dune", Lending.borrow("dune", "ann", "1 second"))
  const emma = yield* saying("Ben borrows Emma", Lending.borrow("emma", "ben", "1 minute"))
  yield* Effect.ignore(saying("Ben borrows Dune", Lending.borrow("dune", "ben", "1 second")))
  yield* Effect.ignore(saying("Cid borrows Dune", Lending.borrow("dune", "cid", "1 second")))

  yield* Lending.Loans.changes(dune).pipe(Stream.takeUntil(({ state }) => state.status === "overdue"), Stream.runDrain)
  yield* ReadModel.catchUp(overdue)
  yield* printOverdue

  yield* saying("Ben brings back Emma", Lending.bringBack("emma", emma))
  const { globalPosition } = yield* saying("Ann brings back Dune", Lending.bringBack("dune", dune))
  yield* ReadModel.waitFor(overdue, globalPosition)
  yield* printOverdue
})

const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE addresses (member text PRIMARY KEY, email text NOT NULL)`
  yield* Effect.raceFirst(Consumer.launch(App), day)
})

program.pipe(Effect.provide(CommandLine.databaseLayer({ store: "memory", data: "" })), NodeRuntime.runMain)
