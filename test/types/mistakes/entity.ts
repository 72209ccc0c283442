import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

const Account = Category.make("account", { Opened: {}, Deposited: { amount: Schema.Int } })
const Stock = Category.make("stock", { Taken: { count: Schema.Int } })

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
    // ! Object literal may only specify known properties, and 'Closed' does not exist in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'.
    // ! Object literal may only specify known properties, and 'Closed' does not exist in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'.
    Closed: (balance: number) => balance
  }
})

export const aTypoInEvolve = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: {
    Opened: (balance) => balance,
    // ! Object literal may only specify known properties, but 'Depositd' does not exist in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'. Did you mean to write 'Deposited'?
    // ! Parameter 'balance' implicitly has an 'any' type.
    // ! Binding element 'amount' implicitly has an 'any' type.
    // ! Object literal may only specify known properties, but 'Depositd' does not exist in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'. Did you mean to write 'Deposited'?
    // ! Parameter 'balance' implicitly has an 'any' type.
    // ! Binding element 'amount' implicitly has an 'any' type.
    Depositd: (balance, { amount }) => balance + amount
  }
})

export const aTypeThatEvolveLacks = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // ! Property 'Deposited' is missing in type '{ Opened: (balance: number) => number; }' but required in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'.
  // ! Property 'Deposited' is missing in type '{ Opened: (balance: number) => number; }' but required in type 'Evolve<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, number>'.
  evolve: { Opened: (balance) => balance }
})

export const aFieldThatTheDataLacks = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // ! Property 'amont' does not exist on type '{ readonly amount: number; }'.
  // ! Property 'amont' does not exist on type '{ readonly amount: number; }'.
  evolve: { Opened: (balance) => balance, Deposited: (balance, { amont }) => balance + amont }
})

export const anotherState = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  // ! Type 'string' is not assignable to type 'number'.
  // ! Type 'string' is not assignable to type 'number'.
  evolve: { Opened: () => "opened", Deposited: (balance) => balance }
})

export const anInitialStateOfAnotherType = Entity.make(Account, {
  state: Schema.Int,
  // ! Type 'string' is not assignable to type 'number'.
  // ! Type 'string' is not assignable to type 'number'.
  initial: "0",
  evolve: { Opened: (balance) => balance, Deposited: (balance) => balance }
})

export const anUnknownEvent = () => {
  // ! Property 'Closed' does not exist on type '{ readonly Deposited: (data: { readonly amount: number; }, options?: EventOptions<{ readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; }> | undefined) => { ...; }; readonly Opened: (dat...'.
  // ! Property 'Closed' does not exist on type '{ readonly Deposited: (data: { readonly amount: number; }, options?: EventOptions<{ readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; }> | undefined) => { ...; }; readonly Opened: (dat...'.
  Balance.transact("1", () => Account.events.Closed({}))
}

// ! Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
// !   Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
// !     Types of property 'type' are incompatible.
// !       Type '"Taken"' is not assignable to type '"Opened"'.
// ! Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
// !   Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
// !     Types of property 'type' are incompatible.
// !       Type '"Taken"' is not assignable to type '"Opened"'.
export const anEventOfAnotherCategory = () => Balance.transact("1", () => Stock.events.Taken({ count: 1 }))

export const anEventOfAnotherCategoryInAnEffect = () =>
  // ! Type 'Effect<{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }, never, never>' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
  // !   Type 'Effect<{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }, never, never>' is not assignable to type 'Effect<Replied<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>, unknown> | Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { ...; }; }, {}>>>, unknown, unknown>' with 'exactOptionalPropertyTypes: true'. Consider adding 'undefined' to the types of the target's properties.
  // !     Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Replied<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>, unknown> | Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { ...; }; }, {}>>>'.
  // !       Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
  // !         Types of property 'type' are incompatible.
  // !           Type '"Taken"' is not assignable to type '"Opened"'.
  // ! Type 'Effect<{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }, never, never>' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
  // !   Type 'Effect<{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }, never, never>' is not assignable to type 'Effect<Replied<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>, unknown> | Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { ...; }; }, {}>>>, unknown, unknown>' with 'exactOptionalPropertyTypes: true'. Consider adding 'undefined' to the types of the target's properties.
  // !     Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Replied<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>, unknown> | Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { ...; }; }, {}>>>'.
  // !       Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
  // !         Types of property 'type' are incompatible.
  // !           Type '"Taken"' is not assignable to type '"Opened"'.
  Balance.transact("1", () => Effect.succeed(Stock.events.Taken({ count: 1 })))

// ! Type '"Closed"' is not assignable to type '"Opened"'.
// ! Type '"Closed"' is not assignable to type '"Opened"'.
export const anEventAsAPlainObject = () => Balance.transact("1", () => ({ type: "Closed", data: {} }))

// ! Argument of type '() => void' is not assignable to parameter of type '(state: number, version: Option<number>) => Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
// !   Type 'void' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
// ! Argument of type '() => void' is not assignable to parameter of type '(state: number, version: Option<number>) => Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
// !   Type 'void' is not assignable to type 'Decided<Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>>>'.
export const noDecision = () => Balance.transact("1", () => {})

export const aTargetOfNoSuchName = () =>
  // ! Type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Schema.Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; }' is not assignable to type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; } & { ...; }'.
  // !   Property 'noSuchTarget' is missing in type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Schema.Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; }' but required in type '{ readonly noSuchTarget: "stok"; }'.
  // ! Type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Schema.Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; }' is not assignable to type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; } & { ...; }'.
  // !   Property 'noSuchTarget' is missing in type '{ account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Schema.Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; stok: { ...; }; }' but required in type '{ readonly noSuchTarget: "stok"; }'.
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => ({
    account: Account.events.Opened({}),
    stok: Stock.events.Taken({ count: 1 })
  }))

export const aTargetOfNoSuchNameWithAReply = () =>
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () =>
    // ! Type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number>' is not assignable to type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number> & {...'.
    // !   Property 'noSuchTarget' is missing in type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number>' but required in type '{ readonly noSuchTarget: "stok"; }'.
    // ! Type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number>' is not assignable to type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number> & {...'.
    // !   Property 'noSuchTarget' is missing in type 'Replied<{ readonly account: { readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }; readonly stok: { ...; }; }, number>' but required in type '{ readonly noSuchTarget: "stok"; }'.
    Entity.reply({ account: Account.events.Opened({}), stok: Stock.events.Taken({ count: 1 }) }, 1))

export const anEventOfAnotherTarget = () =>
  Entity.transactAll({ account: Balance.at("1"), stock: Left.at("2") }, () => ({
    // ! Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>> | undefined'.
    // !   Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'readonly Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>[] | { readonly type: "Deposited"; readonly data: { readonly amount: number; }; readonly id?: string | undefined; readonly metadata?: { ...; } | undefined; } | { ...; }'.
    // !     Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
    // !       Types of property 'type' are incompatible.
    // !         Type '"Taken"' is not assignable to type '"Opened"'.
    // ! Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'Decision<Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>> | undefined'.
    // !   Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type 'readonly Event<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>>[] | { readonly type: "Deposited"; readonly data: { readonly amount: number; }; readonly id?: string | undefined; readonly metadata?: { ...; } | undefined; } | { ...; }'.
    // !     Type '{ readonly type: "Taken"; readonly data: { readonly count: number; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }'.
    // !       Types of property 'type' are incompatible.
    // !         Type '"Taken"' is not assignable to type '"Opened"'.
    account: Stock.events.Taken({ count: 1 })
  }))

// ! Type 'Entity<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>, number>' is missing the following properties from type 'AnyTarget': id, [TargetTypeId]
// ! Type 'Entity<Category<{ readonly Opened: {}; readonly Deposited: { readonly amount: Int; }; }, {}>, number>' is missing the following properties from type 'AnyTarget': id, [TargetTypeId]
export const anEntityWithoutAnId = () => Entity.transactAll({ account: Balance }, () => ({}))
