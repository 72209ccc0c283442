/** The events of a category with metadata of its own: what the compiler declares for them is tested. */
import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

export class Loan extends Category.make("loan", { Started: { book: Schema.String }, Expired: {} }, {
  metadata: { userId: Schema.String, tenant: Schema.optionalKey(Schema.Int) }
}) {}

export class Book extends Category.make("book", { Lent: { loan: Schema.String } }) {}

export const Loans = Entity.make(Loan, {
  state: Schema.Literals(["none", "open", "expired"]),
  initial: "none",
  evolve: { Started: () => "open", Expired: () => "expired" }
})

export const expire = (userId: string) => Loan.events.Expired({}, { metadata: { userId } })

export const decideExpire = (state: typeof Loans.state.Type) => state === "open" ? [Loan.events.Expired({})] : []

export const start = (book: string) =>
  Effect.succeed({ loan: Loan.events.Started({ book }), book: Book.events.Lent({ loan: book }) })

export const expired = Loans.transact("1", decideExpire, { metadata: { userId: "u-7", tenant: 1 } })
