import { Schema } from "effect"
import { Category } from "eventfold"

const Account = Category.make("account", { Opened: { owner: Schema.String }, Deposited: { amount: Schema.Int } })

export const aDashInAName = () =>
  // > Argument of type '"acc-ount"' is not assignable to parameter of type '"A category's name has no dash: in a stream name, a dash comes before the id"'.
  Category.make("acc-ount", { Opened: {} })

export const aDefinitionThatIsNoSchema = () =>
  // > Type 'string' is not assignable to type 'AnyVersioned | Definition'.
  Category.make("account", { Opened: "owner" })

export const anEventOfNoSuchType = () => {
  // > Property 'Depositd' does not exist on type 'Constructors<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { readonly amount: Int; }; }, {}>'. Did you mean 'Deposited'?
  Account.events.Depositd({ amount: 1 })
}
// > Type 'string' is not assignable to type 'number'.
export const dataThatDoesNotFit = () => Account.events.Deposited({ amount: "1" })

export const anEventOfAnotherCategory = () => {
  const Other = Category.make("other", { Closed: {} })
  // > Argument of type 'NewEvent<"Closed", {}, Metadata>' is not assignable to parameter of type 'readonly Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { readonly amount: Int; }; }, {}>[] | Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { ...; }; }, {}>'.
  // >   Type 'NewEvent<"Closed", {}, Metadata>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>'.
  // >     Types of property 'type' are incompatible.
  // >       Type '"Closed"' is not assignable to type '"Deposited"'.
  return Account.append("1", Other.events.Closed({}))
}

export class AClass extends Category.make("account", { Opened: {} }) {}

// > Expected 1 arguments, but got 0.
export const anInstance = new AClass()

class Loan extends Category.make("loan", { Started: { book: Schema.String }, Expired: {} }, {
  metadata: { userId: Schema.String }
}) {}

// > Argument of type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>' is not assignable to parameter of type 'readonly Unrecorded<{ readonly Started: { readonly book: String; }; readonly Expired: {}; }, { readonly metadata: { readonly userId: String; }; }>[] | Unrecorded<{ readonly Started: { readonly book: String; }; readonly Expired: {}; }, { ...; }>'.
// >   Type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>' is not assignable to type 'NewEvent<"Expired", {}, { readonly userId: String; }>'.
// >     Types of property 'type' are incompatible.
// >       Type '"Deposited"' is not assignable to type '"Expired"'.
export const anEventWithoutTheMetadata = () => Loan.append("1", Account.events.Deposited({ amount: 1 }))

// > Argument of type 'NewEvent<"Expired", {}, { readonly userId: String; }>' is not assignable to parameter of type 'readonly Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { readonly amount: Int; }; }, {}>[] | Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { ...; }; }, {}>'.
// >   Type 'NewEvent<"Expired", {}, { readonly userId: String; }>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>'.
// >     Types of property 'type' are incompatible.
// >       Type '"Expired"' is not assignable to type '"Deposited"'.
export const anEventOfOtherMetadata = () => Account.append("1", Loan.events.Expired({}))

// > Type 'number' is not assignable to type 'string'.
export const metadataThatDoesNotFit = () => Loan.events.Expired({}, { metadata: { userId: 7 } })

// > Object literal may only specify known properties, but 'userID' does not exist in type 'PartialMetadata<{ readonly userId: String; }>'. Did you mean to write 'userId'?
export const metadataOfNoSuchName = () => Loan.events.Expired({}, { metadata: { userID: "7" } })
