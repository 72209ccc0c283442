/**
 * Stores on PostgreSQL, each with its own scope, so that a test can hold several and see one end.
 */
import { Postgres } from "@eventfold/postgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Message, RecordedMessage } from "eventfold/Message"
import { MessageStore } from "eventfold/MessageStore"

export type Store = MessageStore["Service"]

/**
 * With these options no wait of a store ends by itself, and no failure is tried again: what ends within the bound of a test was
 * ended, or refused, at once.
 */
export const patient = {
  lockTimeout: "1 hour",
  statementTimeout: "2 hours",
  retry: Schedule.spaced("1 hour")
} as const

/** Opens a store. The end of the scope closes it. */
export const open = (
  url: string,
  options: Omit<Postgres.Options, "url"> = {}
): Effect.Effect<Store, Postgres.OpenError, Scope.Scope> =>
  Effect.map(Layer.build(Postgres.layer({ ...options, url: Redacted.make(url) })), Context.get(MessageStore))

/**
 * Opens the connections of a pool, and the one of leases: tests that count round trips don't count how a store notices that a new
 * connection leads to the same server.
 */
export const warmUp = (store: Store, connections: number): Effect.Effect<void> =>
  Effect.orDie(Effect.gen(function*() {
    yield* Effect.all(Array.from({ length: 4 * connections }, () => store.lastPosition), { concurrency: "unbounded" })
    yield* Effect.scoped(store.lease("warm"))
    const { version } = yield* store.append("warm-0", numbered(1))
    yield* store.append("warm-0", numbered(1), { expectedVersion: version })
  }))

/** Opens a store whose pool has all of its connections. */
export const openWarm = (url: string, maxConnections: number): Effect.Effect<Store, Postgres.OpenError, Scope.Scope> =>
  Effect.tap(open(url, { maxConnections }), (store) => warmUp(store, maxConnections))

/** Messages with their numbers as data. */
export const numbered = (count: number, first = 0): ReadonlyArray<Message> =>
  Array.from({ length: count }, (_, i) => ({ type: "Numbered", data: first + i }))

export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

export const readStream = (store: Store, streamName: string) => Stream.runCollect(store.readStream(streamName))

export const readCategory = (store: Store, category: string) => Stream.runCollect(store.readCategory(category))

export const positions = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<number> =>
  messages.map((message) => message.position)

export const dataOf = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<unknown> =>
  messages.map((message) => message.data)
