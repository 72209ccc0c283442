import { Schema } from "effect"
import { Category } from "eventfold"

const Account = Category.make("account", { Opened: { owner: Schema.String }, Deposited: { amount: Schema.Int } })

export const aDashInAName = () =>
  // ! Argument of type '"acc-ount"' is not assignable to parameter of type 'never'.
  // ! Argument of type '"acc-ount"' is not assignable to parameter of type 'never'.
  Category.make("acc-ount", { Opened: {} })

export const aDefinitionThatIsNoSchema = () =>
  // ! Type 'string' is not assignable to type 'AnyVersioned | Definition'.
  // ! Type 'string' is not assignable to type 'AnyVersioned | Definition'.
  Category.make("account", { Opened: "owner" })

export const anEventOfNoSuchType = () => {
  // ! Property 'Depositd' does not exist on type '{ readonly Deposited: (data: { readonly amount: number; }, options?: EventOptions<{ readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; }> | undefined) => { ...; }; readonly Opened: (dat...'. Did you mean 'Deposited'?
  // ! Property 'Depositd' does not exist on type '{ readonly Deposited: (data: { readonly amount: number; }, options?: EventOptions<{ readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; }> | undefined) => { ...; }; readonly Opened: (dat...'. Did you mean 'Deposited'?
  Account.events.Depositd({ amount: 1 })
}

// ! Type 'string' is not assignable to type 'number'.
// ! Type 'string' is not assignable to type 'number'.
export const dataThatDoesNotFit = () => Account.events.Deposited({ amount: "1" })

export const anEventOfAnotherCategory = () => {
  const Other = Category.make("other", { Closed: {} })
  // ! Argument of type '{ readonly type: "Closed"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to parameter of type 'readonly Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { readonly amount: Int; }; }, {}>[] | Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { ...; }; }, {}>'.
  // !   Type '{ readonly type: "Closed"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }'.
  // !     Types of property 'type' are incompatible.
  // !       Type '"Closed"' is not assignable to type '"Opened"'.
  // ! Argument of type '{ readonly type: "Closed"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to parameter of type 'readonly Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { readonly amount: Int; }; }, {}>[] | Unrecorded<{ readonly Opened: { readonly owner: String; }; readonly Deposited: { ...; }; }, {}>'.
  // !   Type '{ readonly type: "Closed"; readonly data: {}; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; readonly causationMessageStreamName?: string | null; ... 5 more ...; readonly traceparent?: string | null; } | undefined; }' is not assignable to type '{ readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id?: string | undefined; readonly metadata?: { readonly [x: string]: Json; readonly correlationStreamName?: string | null; ... 6 more ...; readonly traceparent?: string | null; } | undefined; }'.
  // !     Types of property 'type' are incompatible.
  // !       Type '"Closed"' is not assignable to type '"Opened"'.
  return Account.append("1", Other.events.Closed({}))
}
