/** The category and the entity that the tests of entities are about, and stores that can be watched or go wrong. */
import { Effect, Layer, Logger, Option, References, Schema, Stream } from "effect"
import { Category, Entity, MemoryStore, type Message, MessageStore, type StoreBackend } from "eventfold"

export const Account = Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int }
})

export type AccountEvent = Category.Event<typeof Account>

export const State = Schema.Struct({ balance: Schema.Int })

/** How a balance comes about, for entities with options of their own. */
export const balance = {
  state: State,
  initial: { balance: 0 },
  evolve: {
    Opened: (state: typeof State.Type) => state,
    Deposited: (state: typeof State.Type, { amount }: { readonly amount: number }) => ({
      balance: state.balance + amount
    }),
    Withdrawn: (state: typeof State.Type, { amount }: { readonly amount: number }) => ({
      balance: state.balance - amount
    })
  }
}

export const Balance = Entity.make(Account, balance)

export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  balance: Schema.Int
}) {}

export const deposited = (amount: number) => Account.events.Deposited({ amount })

export const withdrawn = (amount: number) => Account.events.Withdrawn({ amount })

/** Takes from a balance what is there, and refuses otherwise. */
export const take = (amount: number) => ({ balance }: typeof State.Type) =>
  balance < amount ? new InsufficientFunds({ balance }) : withdrawn(amount)

/** The same, with time for others to be faster. */
export const takeSlowly = (amount: number) => ({ balance }: typeof State.Type) =>
  Effect.andThen(
    Effect.yieldNow,
    balance < amount ? Effect.fail(new InsufficientFunds({ balance })) : Effect.succeed(withdrawn(amount))
  )

/** The amounts of an account's events in their order, those taken with a minus. */
export const amounts = (id: string) =>
  Effect.map(
    Stream.runCollect(Account.readStream(id)),
    (events) =>
      events.map((event) =>
        event.type === "Opened" ? 0 : event.type === "Deposited" ? event.data.amount : -event.data.amount
      )
  )

/** Writes to a stream past the types. */
export const write = (streamName: string, ...messages: ReadonlyArray<Message.Message>) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => store.append(streamName, messages))

export const last = (streamName: string) =>
  Effect.map(
    Effect.flatMap(MessageStore.MessageStore, (store) => store.lastMessage(streamName)),
    Option.getOrThrow
  )

export const onMemory = Effect.provide(MessageStore.layerMemory)

/** A store in memory whose backend is another one's in part. */
export const storeOver = (change: (backend: StoreBackend.StoreBackend) => Partial<StoreBackend.StoreBackend>) =>
  Layer.effect(
    MessageStore.MessageStore,
    Effect.flatMap(MemoryStore.make, (backend) => MessageStore.make({ ...backend, ...change(backend) }))
  )

const found = (message: Option.Option<unknown>) => Option.isSome(message) ? 1 : 0

/** A store in memory that notes each statement that a database would get, and how many messages came back. */
export const watched = () => {
  const log: Array<string> = []
  const noting = <A, E>(effect: Effect.Effect<A, E>, note: (result: A) => string) =>
    Effect.tap(effect, (result) => Effect.sync(() => log.push(note(result))))
  const layer = storeOver((backend) => ({
    append: (append) => noting(backend.append(append), () => `append ${append.streamName}: ${append.messages.length}`),
    writeAll: (appends) =>
      noting(backend.writeAll(appends), () => `writeAll ${appends.map(({ streamName }) => streamName).join(", ")}`),
    readStream: (page) =>
      noting(backend.readStream(page), (rows) => `read ${page.streamName} from ${page.from}: ${rows.length}`),
    lastMessage: (name, type) =>
      noting(backend.lastMessage(name, type), (message) => `last ${name}: ${found(message)}`),
    streamVersion: (name) => noting(backend.streamVersion(name), () => `version ${name}`),
    findMessage: (name, id) => noting(backend.findMessage(name, id), (message) => `find in ${name}: ${found(message)}`)
  }))
  /** What the effect did, in order. */
  const during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      log.length = 0
      return Effect.map(effect, () => [...log])
    })
  return { layer, during }
}

/** What is logged at a level that is seen by default, as text. */
export const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      const about = fiber.getRef(References.CurrentLogAnnotations)
      lines.push(`${logLevel}: ${[message, about].flat().map((part) => JSON.stringify(part)).join(" ")}`)
    })
  ])
  return { layer, lines }
}
