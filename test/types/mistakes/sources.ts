import { Effect, Schema } from "effect"
import { Category, Consumer, Entity, Process, ReadModel } from "eventfold"

class Account extends Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { amount: Schema.Int }
}) {}

const welcome = Consumer.make("welcome")
const balances = ReadModel.make("balances", { version: 1 })

export const aMisnamedHandler = welcome.on(Account, {
  // > Type '({ data }: any) => Effect<void, never, never>' is not assignable to type '((event: any) => AnyOutcome) & "Deposted is not an event of this category"'.
  // >   Type '({ data }: any) => Effect<void, never, never>' is not assignable to type '"Deposted is not an event of this category"'.
  Deposted: ({ data }) => Effect.log(data.amount)
})

export const amongOthers = welcome.on(Account, {
  Opened: ({ data, id }) => Effect.log(data.owner, id),
  // > Type '(args_0: any) => Effect<void, never, never>' is not assignable to type '((event: any) => Effect<void, never, never>) & ((event: any) => AnyOutcome) & "Deposted is not an event of this category"'.
  // >   Type '(args_0: any) => Effect<void, never, never>' is not assignable to type '"Deposted is not an event of this category"'.
  Deposted: Effect.fnUntraced(function*({ data }) {
    yield* Effect.log(data.amount)
  })
})

export const ofAReadModel = balances.on(Account, {
  Opened: () => Effect.void,
  // > Type '({ data }: any) => Effect<void, never, never>' is not assignable to type '((event: any) => AnyOutcome) & "Deposted is not an event of this category"'.
  // >   Type '({ data }: any) => Effect<void, never, never>' is not assignable to type '"Deposted is not an event of this category"'.
  Deposted: ({ data }) => Effect.log(data.amount)
})

export const aFieldThatTheDataLacks = welcome.on(Account, {
  // > Property 'amont' does not exist on type '{ readonly amount: number; }'. Did you mean 'amount'?
  Deposited: ({ data }) => Effect.log(data.amont)
})

export const aHandlerThatIsNoEffect = welcome.on(Account, {
  // > Type 'number' is not assignable to type 'AnyOutcome'.
  Opened: () => 1
})

// > Argument of type '() => Promise<void>' is not assignable to parameter of type 'Handlers<"account", never, {}, AnyOutcome>'.
// >   Type '() => Promise<void>' is not assignable to type '(event: RecordedMessage) => AnyOutcome'.
// >     Type 'Promise<void>' is not assignable to type 'AnyOutcome'.
// >       Type 'Promise<void>' is missing the following properties from type 'Effect<unknown, unknown, unknown>': toJSON, [NodeInspectSymbol], [TypeId], [Symbol.iterator], pipe
export const aPromise = welcome.on("account", async () => {})

// > Object literal may only specify known properties, and 'from' does not exist in type 'Options'.
export const aSourceInTheOptions = Consumer.make("welcome", { from: Account })

class Fulfilment extends Category.make("fulfilment", { Started: {}, Ended: {} }) {}

const Progress = Entity.make(Fulfilment, {
  state: Schema.Struct({ ended: Schema.Boolean }),
  initial: { ended: false },
  evolve: { Started: (state) => state, Ended: () => ({ ended: true }) }
})

const process = Process.make("fulfilment", { entity: Progress }).deadline("late", () => {})

export const aMisnamedReaction = process.on(Account, {
  // > Type '(state: { readonly ended: boolean; }, { data }: any) => { deadlines: { late: any; }; } | undefined' is not assignable to type 'ReactionTo<typeof Fulfilment, { readonly ended: boolean; }, "late", typeof Account, "Deposted">'.
  // >   Type '(state: { readonly ended: boolean; }, { data }: any) => { deadlines: { late: any; }; } | undefined' is not assignable to type '"Deposted is not an event of this category"'.
  Deposted: (state, { data }) => state.ended ? undefined : { deadlines: { late: data.due } }
})

export const aKeyThatAReactionLacks = process.on(Account, {
  // > Type '{ event: string; }' is not assignable to type 'Reacted<Event<typeof Fulfilment>, "late">'.
  Opened: () => ({ event: "Started" })
})

export const besideOthers = process.on(Account, {
  // > Type '() => { deadlines: { late: "1 day"; }; sent: number; }' is not assignable to type '((state: { readonly ended: boolean; }, event: { readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id: string; readonly recorded: RecordedMessage; }, id: PlainId) => "sent is not part of a reaction: it has events, send and deadlines") & ((state: { ...; }, event: { ...; }, id: PlainId) => R...'.
  // >   Type '() => { deadlines: { late: "1 day"; }; sent: number; }' is not assignable to type '(state: { readonly ended: boolean; }, event: { readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id: string; readonly recorded: RecordedMessage; }, id: PlainId) => "sent is not part of a reaction: it has events, send and deadlines"'.
  // >     Type '{ deadlines: { late: "1 day"; }; sent: number; }' is not assignable to type '"sent is not part of a reaction: it has events, send and deadlines"'.
  Opened: () => ({ deadlines: { late: "1 day" }, sent: 1 })
})

export const aDeadlineThatDoesNotExist = process.on(Account, {
  // > Object literal may only specify known properties, but 'lat' does not exist in type '{ readonly late?: Utc | Input | undefined; }'. Did you mean to write 'late'?
  Opened: () => ({ deadlines: { lat: "1 day" } })
})

export const besideOneThatDoes = process.on(Account, {
  // > Type '() => { deadlines: { late: "1 day"; later: string; }; }' is not assignable to type '((state: { readonly ended: boolean; }, event: { readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id: string; readonly recorded: RecordedMessage; }, id: PlainId) => "later is not a deadline of this process: add it with .deadline") & ((state: { ...; }, event: { ...; }, id: PlainId) => Reac...'.
  // >   Type '() => { deadlines: { late: "1 day"; later: string; }; }' is not assignable to type '(state: { readonly ended: boolean; }, event: { readonly type: "Opened"; readonly data: { readonly owner: string; }; readonly id: string; readonly recorded: RecordedMessage; }, id: PlainId) => "later is not a deadline of this process: add it with .deadline"'.
  // >     Type '{ deadlines: { late: "1 day"; later: string; }; }' is not assignable to type '"later is not a deadline of this process: add it with .deadline"'.
  Opened: () => ({ deadlines: { late: "1 day", later: "1 day" } })
})

// > Argument of type '"late"' is not assignable to parameter of type '"late is a deadline of this process already"'.
export const aDeadlineTwice = process.deadline("late", () => {})
