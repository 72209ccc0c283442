/**
 * What runs beside the librarian: the deadlines of loans, the mails to members, and the table of what is overdue.
 */
import * as SqlReadModel from "@eventfold/postgres/SqlReadModel"
import { Console, DateTime, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Consumer, Observe, Process, ReadModel } from "eventfold"
import { BookCommands, Books, Loan, Loans, MemberCommands, Members } from "./Lending.ts"

/** Reminds half-way through a loan, and notes when it is overdue. What has ended by then needs neither. */
export const deadlines = Process.make("lending", { entity: Loans, checkpoint: { interval: "100 millis" } })
  .deadline("reminder", ({ status }) => status === "open" ? { events: Loan.events.Reminded({}) } : undefined)
  .deadline(
    "due",
    ({ status, terms }) =>
      status === "open" && terms !== null ? { events: Loan.events.BecameOverdue(terms) } : undefined
  )
  .on(Loan, {
    Started: (_, { data: { due }, recorded: { time } }) => ({
      deadlines: { due, reminder: DateTime.addDuration(time, Duration.times(DateTime.distance(time, due), 0.5)) }
    })
  })

/** Writes to the member of a loan. A mail may be sent twice, after a crash, and is never forgotten. */
const mail = (loan: string, what: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { state: { terms } } = yield* Loans.load(loan)
    const [row] = yield* sql<{ email: string }>`SELECT email FROM addresses WHERE member = ${terms?.member ?? ""}`
    yield* Console.log(`  mail to ${row?.email}: "${terms?.title}" ${what}`)
  })

export const mails = Consumer.make("mails", { onFailure: "park", timeout: "10 seconds" }).on(Loan, {
  Reminded: ({ id }) => mail(id, "is due soon"),
  BecameOverdue: ({ id }) => mail(id, "is overdue")
})

export const overdue = SqlReadModel.make("overdue", {
  version: 1,
  tables: ["CREATE TABLE loans (loan text PRIMARY KEY, title text NOT NULL, member text NOT NULL)"]
}).on(Loan, {
  BecameOverdue: ({ data: { member, title }, id }) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO loans ${sql.insert({ loan: id, title, member })}`),
  Ended: ({ id }) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM loans WHERE loan = ${id}`)
})

/** The titles that are overdue, and the members that have them. */
export const listOverdue = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ title: string; member: string }>`SELECT title, member FROM overdue.loans ORDER BY title`
)

export const App = Layer.mergeAll(Process.layer(deadlines), Consumer.layer(mails), ReadModel.layer(overdue))

/** Everything by its name, for those who look at the library: it runs nothing. */
export const Registered = Observe.layer({
  entities: { book: Books, member: Members, loan: Loans },
  commands: { book: BookCommands, member: MemberCommands },
  processes: [deadlines],
  consumers: [mails],
  readModels: [overdue]
})
