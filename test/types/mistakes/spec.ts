import { Spec } from "@eventfold/testing"
import { Effect, Schema } from "effect"
import { Category, Entity } from "eventfold"

class Account extends Category.make("account", { Opened: {} }) {}
class Stock extends Category.make("stock", { Taken: { count: Schema.Int } }) {}

const Balance = Entity.make(Account, { state: Schema.Int, initial: 0, evolve: { Opened: (balance) => balance } })
const Left = Entity.make(Stock, { state: Schema.Int, initial: 0, evolve: { Taken: (left, { count }) => left - count } })

const spec = Spec.all({ account: Balance, stock: Left })

export const anEntityOfNoSuchName = () =>
  // > Type '{ account: Category.NewEvent<"Opened", {}, Metadata>; stok: Category.NewEvent<"Taken", { readonly count: number; }, Metadata>; }' is not assignable to type '"the spec has no entity named stok"'.
  spec.when(() => ({ account: Account.events.Opened({}), stok: Stock.events.Taken({ count: 1 }) }))

// > Type '{ stok: Category.NewEvent<"Taken", { readonly count: number; }, Metadata>; }' is not assignable to type '"the spec has no entity named stok"'.
export const onlyAnEntityOfNoSuchName = () => spec.when(() => ({ stok: Stock.events.Taken({ count: 1 }) }))

export const onlyAnEntityOfNoSuchNameInAnEffect = () =>
  // > Type 'Effect<{ stok: NewEvent<"Taken", { readonly count: number; }, Metadata>; }, never, never>' is not assignable to type '"the spec has no entity named stok"'.
  spec.when(() => Effect.succeed({ stok: Stock.events.Taken({ count: 1 }) }))

export const onlyAnEntityOfNoSuchNameWithAReply = () =>
  // > Type 'Replied<{ readonly stok: NewEvent<"Taken", { readonly count: number; }, Metadata>; }, number>' is not assignable to type '"the spec has no entity named stok"'.
  spec.when(() => Entity.reply({ stok: Stock.events.Taken({ count: 1 }) }, 1))

// > Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'Decision<NewEvent<"Opened", {}, Metadata>> | undefined'.
// >   Type 'NewEvent<"Taken", { readonly count: number; }, Metadata>' is not assignable to type 'NewEvent<"Opened", {}, Metadata>'.
// >     Types of property 'type' are incompatible.
// >       Type '"Taken"' is not assignable to type '"Opened"'.
export const anEventOfAnotherEntity = () => spec.when(() => ({ account: Stock.events.Taken({ count: 1 }) }))

// > Type 'NewEvent<"Opened", {}, Metadata>' is not assignable to type 'Decided<EventsOf<{ readonly account: Entity<typeof Account, number>; readonly stock: Entity<typeof Stock, number>; }>>'.
export const anEventWithoutAnEntity = () => spec.when(() => Account.events.Opened({}))
