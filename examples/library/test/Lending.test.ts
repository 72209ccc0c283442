import { it } from "@effect/vitest"
import { Spec } from "@eventfold/testing/Spec"
import { DateTime } from "effect"
import {
  Book,
  BookCommands,
  Books,
  giveBack,
  lend,
  Loan,
  Loans,
  Member,
  MemberCommands,
  Members,
  Refused
} from "../src/Lending.ts"

const due = DateTime.makeUnsafe("2030-01-15T00:00:00Z")
const dune = Book.events.Added({ title: "Dune" })
const ann = Member.events.Joined({ name: "Ann" })
const lending = Spec.all({ book: Books, member: Members, loan: Loans })

it.effect("a member gets a book that is there", () =>
  lending.given({ book: dune, member: ann }).when(lend("loan-1", "ann", due)).then({
    book: Book.events.Lent({ loan: "loan-1" }),
    loan: Loan.events.Started({ title: "Dune", member: "ann", due })
  }))

it.effect("a book that is lent goes to nobody else", () =>
  lending.given({ book: [dune, Book.events.Lent({ loan: "loan-1" })], member: ann })
    .when(lend("loan-2", "ann", due)).thenFails(Refused))

it.effect("a member that has left gets no book", () =>
  lending.given({ book: dune, member: [ann, Member.events.Left({})] })
    .when(lend("loan-1", "ann", due)).thenFails(Refused))

it.effect("a loan ends once", () =>
  Spec.all({ book: Books, loan: Loans })
    .given({ book: [dune, Book.events.Lent({ loan: "loan-1" }), Book.events.Returned({})] })
    .when(giveBack("loan-1")).thenFails(Refused))

it.effect("a book is added once", () =>
  Spec(Books).given(dune).when(BookCommands.Add.decide({ title: "Emma" })).thenFails(
    new Refused({ message: "\"Dune\" has this number already" })
  ))

it.effect("nobody joins twice", () =>
  Spec(Members).given(ann).when(MemberCommands.Join.decide({ name: "Ann" })).thenFails(Refused))
