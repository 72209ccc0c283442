import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

class Account extends Category.make("account", { Opened: {}, Deposited: { amount: Schema.Int } }) {}
class Stock extends Category.make("stock", { Taken: { count: Schema.Int } }) {}

const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (balance) => balance,
    Deposited: (balance, { amount }) => balance + amount
  }
})

const Left = Entity.make(Stock, { state: Schema.Int, initial: 0, evolve: { Taken: (left, { count }) => left - count } })

export const anUnknownTypeInEvolve = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (balance) => balance,
    Deposited: (balance, { amount }) => balance + amount,
    // > Object literal may only specify known properties, and 'Closed' does not exist in type 'Evolve<typeof Account, number>'.
    Closed: (balance: number) => balance
  }
})

export const aTypoInEvolve = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (balance) => balance,
    // > Object literal may only specify known properties, but 'Depositd' does not exist in type 'Evolve<typeof Account, number>'. Did you mean to write 'Deposited'?
    // > Parameter 'balance' implicitly has an 'any' type.
    // > Binding element 'amount' implicitly has an 'any' type.
    Depositd: (balance, { amount }) => balance + amount
  }
})

export const aTypeThatEvolveLacks = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // > Property 'Deposited' is missing in type '{ Opened: (balance: number) => number; }' but required in type 'Evolve<typeof Account, number>'.
  evolve: { Opened: (balance) => balance }
})

export const aFieldThatTheDataLacks = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // > Property 'amont' does not exist on type '{ readonly amount: number; }'.
  evolve: { Opened: (balance) => balance, Deposited: (balance, { amont }) => balance + amont }
})

export const anotherState = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // > Type 'string' is not assignable to type 'number'.
  evolve: { Opened: () => "opened", Deposited: (balance) => balance }
})

const Phase = Schema.Struct({ status: Schema.Literals(["open", "paid"]), count: Schema.Int })
const Payment = Schema.Union([
  Schema.TaggedStruct("Open", { count: Schema.Int }),
  Schema.TaggedStruct("Paid", { by: Schema.String })
])

export const anotherLiteral = Entity.make(Account, {
  state: Phase,
  initial: { status: "open", count: 0 },
  evolve: {
    // > Type '"payd"' is not assignable to type '"open" | "paid"'.
    Opened: (state) => ({ ...state, status: "payd" }),
    Deposited: (state, { amount }) => ({ ...state, count: amount })
  }
})

export const aStateWithoutAField = Entity.make(Account, {
  state: Phase,
  initial: { status: "open", count: 0 },
  evolve: {
    // > Property 'count' is missing in type '{ status: "paid"; }' but required in type '{ readonly status: "open" | "paid"; readonly count: number; }'.
    Opened: () => ({ status: "paid" }),
    Deposited: (state) => state
  }
})

export const aTagWithoutItsFields = Entity.make(Account, {
  state: Payment,
  initial: { _tag: "Open", count: 0 },
  evolve: {
    // > Type '{ _tag: "Paid"; }' is not assignable to type '{ readonly _tag: "Open"; readonly count: number; } | { readonly _tag: "Paid"; readonly by: string; }'.
    // >   Property 'by' is missing in type '{ _tag: "Paid"; }' but required in type '{ readonly _tag: "Paid"; readonly by: string; }'.
    Opened: () => ({ _tag: "Paid" }),
    Deposited: (state) => state
  }
})

export const anInitialStateOfAnotherType = Entity.make(Account, {
  state: Schema.Int,
  // > Type 'string' is not assignable to type 'number'.
  initial: "0",
  evolve: { Opened: (balance) => balance, Deposited: (balance) => balance }
})

export const anUnknownEvent = () => {
  // > Property 'Closed' does not exist on type 'Constructors<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>'.
  Balance.transact("1", () => Account.events.Closed({}))
}
// > Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'Decided<Decision<Event<typeof Account>>>'.
// >   Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>'.
// >     Types of property 'type' are incompatible.
// >       Type '"Taken"' is not assignable to type '"Deposited"'.
export const anEventOfAnotherCategory = () => Balance.transact("1", () => Stock.events.Taken({ count: 1 }))

export const anEventOfAnotherCategoryInAnEffect = () =>
  // > Type 'Effect<NewEvent<"Taken", { readonly count: number; }, Metadata>, never, never>' is not assignable to type 'Decided<Decision<Event<typeof Account>>>'.
  // >   Type 'Effect<NewEvent<"Taken", { readonly count: number; }, Metadata>, never, never>' is not assignable to type 'Effect<Replied<Decision<Event<typeof Account>>, unknown> | Decision<Event<typeof Account>>, unknown, unknown>' with 'exactOptionalPropertyTypes: true'. Consider adding 'undefined' to the types of the target's properties.
  // >     Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'Replied<Decision<Event<typeof Account>>, unknown> | Decision<Event<typeof Account>>'.
  // >       Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>'.
  // >         Types of property 'type' are incompatible.
  // >           Type '"Taken"' is not assignable to type '"Deposited"'.
  Balance.transact("1", () => Effect.succeed(Stock.events.Taken({ count: 1 })))
// > Type '"Closed"' is not assignable to type '"Opened"'.
export const anEventAsAPlainObject = () => Balance.transact("1", () => ({ type: "Closed", data: {} }))
// > Argument of type '() => void' is not assignable to parameter of type '(state: number, version: Option<number>) => Decided<Decision<Event<typeof Account>>>'.
// >   Type 'void' is not assignable to type 'Decided<Decision<Event<typeof Account>>>'.
export const noDecision = () => Balance.transact("1", () => {})

export const aTargetOfNoSuchName = () =>
  // > Type '{ account: Category.NewEvent<"Opened", {}, Metadata>; stok: Category.NewEvent<"Taken", { readonly count: number; }, Metadata>; }' is not assignable to type '"There is no target stok"'.
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => ({
    account: Account.events.Opened({}),
    stok: Stock.events.Taken({ count: 1 })
  }))

export const aTargetOfNoSuchNameWithAReply = () =>
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () =>
    // > Type 'Replied<{ readonly account: NewEvent<"Opened", {}, Metadata>; readonly stok: NewEvent<"Taken", { readonly count: number; }, Metadata>; }, number>' is not assignable to type '"There is no target stok"'.
    Entity.reply({ account: Account.events.Opened({}), stok: Stock.events.Taken({ count: 1 }) }, 1))

export const onlyATargetOfNoSuchName = () =>
  // > Type '{ acount: Category.NewEvent<"Opened", {}, Metadata>; }' is not assignable to type '"There is no target acount"'.
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => ({ acount: Account.events.Opened({}) }))

export const onlyATargetOfNoSuchNameInAnEffect = () =>
  Entity.transactAll(
    { account: Balance.at("1"), stock: Left.at("2") },
    // > Type 'Effect<{ acount: NewEvent<"Opened", {}, Metadata>; }, never, never>' is not assignable to type '"There is no target acount"'.
    () => Effect.succeed({ acount: Account.events.Opened({}) })
  )

export const onlyATargetOfNoSuchNameWithAReply = () =>
  Entity.transactAll(
    { account: Balance.at("1"), stock: Left.at("2") },
    // > Type 'Replied<{ readonly acount: NewEvent<"Opened", {}, Metadata>; }, number>' is not assignable to type '"There is no target acount"'.
    () => Entity.reply({ acount: Account.events.Opened({}) }, 1)
  )

export const anEventWithoutATarget = () =>
  // > Type 'NewEvent<"Opened", {}, Metadata>' is not assignable to type 'Decided<Decisions<{ account: Target<typeof Account, number>; stock: Target<typeof Stock, number>; }>>'.
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => Account.events.Opened({}))

export const aRecordOfEvents = (events: { readonly [name: string]: Category.Event<typeof Account> }) =>
  // > Type '{ readonly [name: string]: Event<typeof Account>; }' is not assignable to type '`There is no target ${string}`'.
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => events)

export const anEventOfAnotherTarget = () =>
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => ({
    // > Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'Decision<Event<typeof Account>> | undefined'.
    // >   Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata> | NewEvent<"Opened", {}, Metadata> | readonly Event<typeof Account>[]'.
    // >     Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'NewEvent<"Deposited", { readonly amount: number; }, Metadata>'.
    // >       Types of property 'type' are incompatible.
    // >         Type '"Taken"' is not assignable to type '"Deposited"'.
    account: Stock.events.Taken({ count: 1 })
  }))
// > Type 'Entity<typeof Account, number>' is missing the following properties from type 'AnyTarget': id, [TargetTypeId]
export const anEntityWithoutAnId = () => Entity.transactAll({ account: Balance }, () => ({}))
