/**
 * Lending: books, members and loans, the decisions on them, and what the librarian does.
 */
import { DateTime, type Duration, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Category, Commands, Entity, Message } from "eventfold"

export class Book extends Category.make("book", {
  Added: { title: Schema.String },
  Lent: { loan: Schema.String },
  Returned: {}
}) {}

export class Member extends Category.make("member", { Joined: { name: Schema.String }, Left: {} }) {}

const Terms = { title: Schema.String, member: Schema.String, due: Schema.DateTimeUtc }

export class Loan extends Category.make("loan", { Started: Terms, Reminded: {}, BecameOverdue: Terms, Ended: {} }) {}

const BookState = Schema.Struct({ title: Schema.String, loan: Schema.NullOr(Schema.String) })
const MemberState = Schema.Struct({ isMember: Schema.Boolean })
const LoanState = Schema.Struct({
  status: Schema.Literals(["none", "open", "overdue", "ended"]),
  terms: Schema.NullOr(Schema.Struct(Terms))
})

export const Books = Entity.make(Book, {
  state: BookState,
  initial: { title: "", loan: null },
  evolve: {
    Added: (_, { title }) => ({ title, loan: null }),
    Lent: (book, { loan }) => ({ ...book, loan }),
    Returned: (book) => ({ ...book, loan: null })
  }
})

export const Members = Entity.make(Member, {
  state: MemberState,
  initial: { isMember: false },
  evolve: { Joined: () => ({ isMember: true }), Left: () => ({ isMember: false }) }
})

export const Loans = Entity.make(Loan, {
  state: LoanState,
  initial: { status: "none", terms: null },
  evolve: {
    Started: (_, terms) => ({ status: "open", terms }),
    Reminded: (loan) => loan,
    BecameOverdue: (loan) => ({ ...loan, status: "overdue" }),
    Ended: (loan) => ({ ...loan, status: "ended" })
  }
})

export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

const refuse = (message: string) => Effect.fail(new Refused({ message }))

/** The decisions on one book. Those on a loan are on a book, a member and a loan at once: see `lend`. */
export const BookCommands = Commands.make(Books, {
  Add: {
    payload: { title: Schema.NonEmptyString },
    error: Refused,
    decide: (book, { title }) =>
      book.title === "" ? Book.events.Added({ title }) : refuse(`"${book.title}" has this number already`)
  }
})

/** The decisions on one member. */
export const MemberCommands = Commands.make(Members, {
  Join: {
    payload: { name: Schema.NonEmptyString },
    error: Refused,
    decide: ({ isMember }, { name }) =>
      isMember ? refuse(`${name} is a member already`) : Member.events.Joined({ name })
  }
})

/** Decides on a book that a member wants to borrow. */
export const lend =
  (loan: string, member: string, due: DateTime.Utc) =>
  ({ book: { loan: current, title }, member: { isMember } }: {
    readonly book: typeof BookState.Type
    readonly member: typeof MemberState.Type
  }) => {
    if (!isMember) return refuse(`${member} is not a member`)
    if (title === "") return refuse("there is no such book")
    if (current !== null) return refuse(`"${title}" is lent`)
    return Effect.succeed({
      book: Book.events.Lent({ loan }),
      loan: Loan.events.Started({ title, member, due })
    })
  }

/** Decides on a book that is brought back. */
export const giveBack = (loan: string) => ({ book }: { readonly book: typeof BookState.Type }) =>
  book.loan === loan
    ? Effect.succeed({ book: Book.events.Returned({}), loan: Loan.events.Ended({}) })
    : refuse(`"${book.title}" was brought back already`)

/** An address is personal data: it is in a row of the application and not in the log. Both are written, or neither. */
export const enrol = (member: string, name: string, email: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.andThen(
      sql`INSERT INTO addresses ${sql.insert({ member, email })} ON CONFLICT (member) DO NOTHING`,
      MemberCommands.Join(member, { name })
    ).pipe(sql.withTransaction))

/** Lends a book. The member's stream is only read and still checked: a member that leaves meanwhile gets no book. */
export const borrow = (book: string, member: string, period: Duration.Input) =>
  Effect.gen(function*() {
    const loan = yield* Message.nextId
    const due = DateTime.addDuration(yield* DateTime.now, period)
    const targets = { book: Books.at(book), member: Members.at(member), loan: Loans.at(loan) }
    yield* Entity.transactAll(targets, lend(loan, member, due), { checkReads: true })
    return loan
  })

export const bringBack = (book: string, loan: string) =>
  Entity.transactAll({ book: Books.at(book), loan: Loans.at(loan) }, giveBack(loan))
