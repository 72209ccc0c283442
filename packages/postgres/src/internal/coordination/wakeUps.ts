import type { PgClient, PgClientConfig } from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { nextId } from "eventfold/Message"
import { type EncodedAppend, mayHaveWritten, type StoreBackend, type Wake } from "eventfold/StoreBackend"
import * as StreamName from "eventfold/StreamName"
import { connect, isAlone } from "../client/connections.ts"
import { withoutTransaction } from "../store/reads.ts"

/** Of PostgreSQL's LISTEN and NOTIFY; each database has its own. */
const channel = "eventfold"

/** In bytes; PostgreSQL takes less than 8,000. */
const maxPayloadSize = 7_000

/** The least time between two announcements: a busy store sends at most 200 in a second. */
const pause = "5 millis"

/** How long the end of the layer waits for the last announcement. */
const lastWords = "1 second"

/** How long the listener waits before it connects again: first, and at the most, in milliseconds. */
const [firstDelay, maxDelay] = [100, 5_000]

/**
 * What an announcement says. `from` is the store that sent it, which has woken its own readers already. Without
 * categories it stands for all of them; so does a payload that is none of this, such as that of a bare `NOTIFY eventfold`.
 */
const Announcement = Schema.fromJsonString(Schema.Struct({
  from: Schema.optionalKey(Schema.String),
  categories: Schema.optionalKey(Schema.Array(Schema.String))
}))

const decodeAnnouncement = Schema.decodeUnknownOption(Announcement)

const utf8 = new TextEncoder()

const payloadOf = (from: string, categories: ReadonlySet<string>): string => {
  const payload = JSON.stringify({ from, categories: [...categories] })
  return utf8.encode(payload).length <= maxPayloadSize ? payload : JSON.stringify({ from })
}

/** The categories that others announce; undefined among them stands for all. */
const announced = (notifications: ReadonlyArray<PgConnection.Notification>, self: string) => {
  const categories = new Set<string | undefined>()
  for (const { payload } of notifications) {
    const announcement = Option.getOrUndefined(decodeAnnouncement(payload))
    if (announcement?.from === self) continue
    for (const category of announcement?.categories ?? [undefined]) categories.add(category)
  }
  return categories.has(undefined) ? [undefined] : [...categories]
}

/**
 * Announces categories to other processes, beside the appends and not in their transactions: NOTIFY in the transaction
 * that writes would make all commits of the server wait for one another. One statement is in flight at a time, and what is
 * written meanwhile goes together in the next. It is a hint, so one that fails is forgotten.
 */
const makeAnnouncer = Effect.fnUntraced(function*(sql: PgClient, from: string) {
  const waiting = new Set<string>()
  const isWaiting = Latch.makeUnsafe()
  const oneAtATime = Semaphore.makeUnsafe(1)

  // A NOTIFY takes a transaction id, and the commit of one would wait for the disk.
  const notify = Effect.gen(function*() {
    if (waiting.size === 0) return
    const payload = payloadOf(from, waiting)
    waiting.clear()
    yield* sql`SELECT set_config('synchronous_commit', 'off', true), pg_notify(${channel}, ${payload})`
  }).pipe(
    withoutTransaction(sql),
    Effect.withTracerEnabled(false),
    Effect.ignore({ log: "Debug", message: "what was written could not be announced to other processes" }),
    oneAtATime.withPermit
  )

  yield* isWaiting.await.pipe(
    Effect.andThen(isWaiting.close),
    // Those who wait for their appends go first.
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(notify),
    Effect.andThen(Effect.sleep(pause)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(notify), lastWords))

  return (category: string) => Effect.andThen(Effect.sync(() => waiting.add(category)), isWaiting.open)
})

/**
 * Listens to other processes on a connection of its own. When it is lost, it is opened again; whatever was announced
 * meanwhile is made up for by waking everybody.
 */
const listen = (config: PgClientConfig, self: string, wake: Wake): Effect.Effect<never> => {
  let delay = firstDelay

  const session = Effect.gen(function*() {
    // The connection is closed before it stops to listen: to say so to a server that has gone would have no end.
    const listening = yield* Effect.scope
    return yield* Effect.scoped(Effect.gen(function*() {
      const connection = yield* connect(config)
      const notifications = yield* Scope.provide(connection.listen(channel), listening)
      delay = firstDelay
      yield* wake(undefined)
      return yield* Queue.takeAll(notifications).pipe(
        Effect.flatMap((taken) => Effect.forEach(announced(taken, self), wake, { discard: true })),
        Effect.forever
      )
    }))
  })

  const wait = Effect.suspend(() => {
    const millis = delay
    delay = Math.min(2 * delay, maxDelay)
    return Effect.flatMap(Random.nextBetween(millis / 2, millis), Effect.sleep)
  })

  return Effect.scoped(session).pipe(
    Effect.ignoreCause({ log: "Debug", message: "the listener for announcements is not connected" }),
    Effect.andThen(wait),
    Effect.forever
  )
}

/** Tells of a backend's writes, and learns of others'. */
export interface WakeUps {
  /** Messages may have been written to a category. */
  readonly written: (category: string) => Effect.Effect<void>
  /** Runs a write and tells of its categories, unless it was refused. */
  readonly telling: <A, E extends { readonly _tag: string }>(
    appends: ReadonlyArray<EncodedAppend>,
    write: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  readonly watch: NonNullable<StoreBackend["watch"]>
}

/** What is announced and heard ends with the scope. */
export const make = Effect.fnUntraced(function*(
  sql: PgClient,
  options: { readonly announce: boolean }
): Effect.fn.Return<WakeUps, never, Scope.Scope> {
  const hasOthers = !isAlone(sql)
  const self = yield* nextId
  const announce = options.announce && hasOthers ? yield* makeAnnouncer(sql, self) : undefined
  let wake: Wake | undefined

  const written = Effect.fnUntraced(function*(category: string) {
    if (wake !== undefined) yield* wake(category)
    if (announce !== undefined) yield* announce(category)
  })

  return {
    written,
    telling: (appends, write) =>
      Effect.onExit(write, (exit) =>
        mayHaveWritten(exit)
          ? Effect.forEach(new Set(appends.map(({ streamName }) => StreamName.category(streamName))), written, {
            discard: true
          })
          : Effect.void),
    watch: (given) =>
      Effect.suspend(() => {
        // Kept when nobody waits any more: it is the same one the next time.
        wake = given
        return hasOthers ? Effect.asVoid(Effect.forkScoped(listen(sql.config, self, given))) : Effect.void
      })
  }
})
