/** The category and the entity of the entity tests, and stores that note what they do. */
import { Effect, Layer, Logger, Option, References, Schema, Stream } from "effect"
import { Category, Entity, MemoryStore, type Message, MessageStore, type StoreBackend } from "eventfold"

export const Account = Category.make("account", {
  Opened: { owner: Schema.String },
  Deposited: { amount: Schema.Int },
  Withdrawn: { amount: Schema.Int }
})

export type AccountEvent = Category.Event<typeof Account>

export const State = Schema.Struct({ balance: Schema.Int })

/** The fold of a balance, for entities with options of their own. */
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

/** Withdraws an amount, or refuses when the balance is too low. */
export const take = (amount: number) => ({ balance }: typeof State.Type) =>
  balance < amount ? new InsufficientFunds({ balance }) : withdrawn(amount)

/** Withdraws after a pause in which other fibers can be faster. */
export const takeSlowly = (amount: number) => ({ balance }: typeof State.Type) =>
  Effect.andThen(
    Effect.yieldNow,
    balance < amount ? Effect.fail(new InsufficientFunds({ balance })) : Effect.succeed(withdrawn(amount))
  )

/** The amounts of an account's events in order; withdrawals are negative. */
export const amounts = (id: string) =>
  Effect.map(
    Stream.runCollect(Account.readStream(id)),
    (events) =>
      events.map((event) =>
        event.type === "Opened" ? 0 : event.type === "Deposited" ? event.data.amount : -event.data.amount
      )
  )

/** Appends messages without the checks of a category. */
export const write = (streamName: string, ...messages: ReadonlyArray<Message.Message>) =>
  Effect.flatMap(MessageStore.MessageStore, (store) => store.append(streamName, messages))

export const last = (streamName: string) =>
  Effect.map(
    Effect.flatMap(MessageStore.MessageStore, (store) => store.lastMessage(streamName)),
    Option.getOrThrow
  )

export const onMemory = Effect.provide(MessageStore.layerMemory)

/** A memory store with parts of its backend replaced. */
export const storeOver = (change: (backend: StoreBackend.StoreBackend) => Partial<StoreBackend.StoreBackend>) =>
  Layer.effect(
    MessageStore.MessageStore,
    Effect.flatMap(MemoryStore.make, (backend) => MessageStore.make({ ...backend, ...change(backend) }))
  )

const found = (message: Option.Option<unknown>) => Option.isSome(message) ? 1 : 0

/** A memory store that notes each statement that a database would get, and how many messages it gave. */
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
  /** The statements of an effect, in order. */
  const during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      log.length = 0
      return Effect.map(effect, () => [...log])
    })
  return { layer, during }
}

/** The log lines at the levels that are visible by default, as text. */
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
