/** Stores that fail in one way, for the answers that a healthy store never gives. */
import { DateTime, Effect, Layer, Option, Stream } from "effect"
import { type HeldBack, Message, MessageStore, StoreError, type StreamName } from "eventfold"

/** What the operations of the store do. */
export type Failing = "away" | "broken" | "defect" | "unsupported"

/** What no answer may have. */
export const secret = "SELECT password FROM secrets"

const failure = {
  away: Effect.fail(new StoreError.StoreError({ operation: "read", reason: secret, isRetryable: true })),
  broken: Effect.fail(new StoreError.StoreError({ operation: "read", reason: secret, isRetryable: false })),
  defect: Effect.die(new Error(secret)),
  unsupported: Effect.fail(new StoreError.StoreError({ operation: "read", reason: secret, isRetryable: false }))
} as const

const unsupported = Effect.fail(new StoreError.Unsupported({ operation: "this", remedy: "take another store" }))

/** A message whose effects a store can't look for. */
const message: Message.RecordedMessage = {
  id: Message.deriveId("a message"),
  streamName: "account-1" as StreamName.StreamName,
  type: "Opened",
  data: {},
  metadata: null,
  position: 0,
  globalPosition: 1,
  time: DateTime.makeUnsafe(0)
}

/** Where a store has its attributes of streams and its deletions. */
export const inProcess = "~eventfold/MessageStore/InProcess"

/** A store that fails so, on one in memory. */
export const layerFailing = (how: Failing): Layer.Layer<MessageStore.MessageStore> =>
  Layer.effect(
    MessageStore.MessageStore,
    Effect.map(MessageStore.MessageStore, (store) => {
      const fail = failure[how]
      const failing = () => fail
      return {
        ...store,
        append: () => fail,
        writeAll: how === "unsupported" ? () => unsupported : () => fail,
        readStream: how === "unsupported" ? () => Stream.fromEffect(unsupported) : () => Stream.fromEffect(fail),
        categories: how === "unsupported" ? () => unsupported : () => fail,
        streams: how === "unsupported" ? () => unsupported : () => fail,
        changedStreams: how === "unsupported" ? () => unsupported : () => fail,
        readCategory: () => Stream.fromEffect(fail),
        readCategoryPage: () => fail,
        lastCategoryMessage: () => fail,
        readAllPage: () => fail,
        messageAt: how === "unsupported" ? () => Effect.succeedSome(message) : () => fail,
        lastPosition: fail,
        lastMessage: () => fail,
        streamVersion: how === "unsupported" ? () => Effect.succeedNone : () => fail,
        findMessage: () => fail,
        messageById: () => fail,
        describe: fail,
        [inProcess]: {
          ...store[inProcess],
          runners: { ...store[inProcess].runners, list: fail },
          verify: how === "unsupported" ? undefined : { findings: () => Stream.fromEffect(fail) },
          trace: how === "unsupported" ? undefined : { effects: failing, correlated: failing },
          streams: how === "unsupported" ? undefined : {
            add: failing,
            set: failing,
            get: failing,
            list: failing,
            countStreams: failing,
            listMessages: failing,
            countMessages: failing,
            stats: failing,
            deleteMessage: failing,
            deleteStream: failing,
            wasDeleted: failing,
            purge: failing
          }
        }
      }
    })
  ).pipe(Layer.provide(MessageStore.layerMemory))

/** A transaction that holds readers back. */
export const writer: HeldBack.Writer = {
  pid: 4711,
  preparedAs: undefined,
  state: "idle in transaction",
  since: undefined,
  age: undefined,
  applicationName: "billing",
  user: secret,
  clientAddress: secret,
  query: secret
}

/** A store whose reader of everything is held back by a transaction. */
export const layerHeldBack: Layer.Layer<MessageStore.MessageStore> = Layer.effect(
  MessageStore.MessageStore,
  Effect.map(MessageStore.MessageStore, (store) => ({
    ...store,
    readAllPage: (options) =>
      Effect.map(store.readAllPage(options), (page) => ({
        ...page,
        heldBack: Option.some({ position: 7, writers: [writer] })
      }))
  }))
).pipe(Layer.provide(MessageStore.layerMemory))
