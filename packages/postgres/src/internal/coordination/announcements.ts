/**
 * Announcements tell other processes by LISTEN and NOTIFY which categories were written. They are hints: a lost one
 * costs latency, because readers poll as well.
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Wake } from "eventfold/StoreBackend"
import type { Bounded } from "../client/bound.ts"
import { openDedicated } from "../client/connections.ts"
import { type Log, logOf } from "../client/log.ts"
import { sharingOf } from "../client/sessions.ts"
import { outsideTransaction } from "../client/transactions.ts"

/** In bytes; PostgreSQL takes less than 8,000. */
const maxPayloadSize = 7_000

/** The least time between two announcements: a busy store sends at most 200 in a second. */
const pause = "5 millis"

/** How long the end of the layer waits for the last announcement. */
const lastAnnouncementTimeout = "1 second"

/** How long the listener waits before it connects again: first, and at most, in milliseconds. */
const [firstDelay, maxDelay] = [100, 5_000]

/** How often the listener asks the server for a sign of life, and how long it waits for any answer. */
const [heartbeatInterval, answerTimeout] = ["10 seconds", "5 seconds"] as const

/**
 * The payload. `from` is the store that sent it and has already woken its own readers. Without `categories` it stands
 * for all of them; so does any other payload, such as that of a bare `NOTIFY eventfold`.
 */
const Announcement = Schema.fromJsonString(Schema.Struct({
  from: Schema.optionalKey(Schema.String),
  categories: Schema.optionalKey(Schema.Array(Schema.String))
}))

const decodeAnnouncement = Schema.decodeUnknownOption(Announcement)

const utf8 = new TextEncoder()

const encodeAnnouncement = (from: string, categories: ReadonlySet<string>): string => {
  const payload = JSON.stringify({ from, categories: [...categories] })
  return utf8.encode(payload).length <= maxPayloadSize ? payload : JSON.stringify({ from })
}

/** The categories that other stores announce; undefined stands for all. */
const announcedCategories = (notifications: ReadonlyArray<PgConnection.Notification>, self: string) => {
  const categories = new Set<string | undefined>()
  for (const { payload } of notifications) {
    const announcement = Option.getOrUndefined(decodeAnnouncement(payload))
    if (announcement?.from === self) continue
    for (const category of announcement?.categories ?? [undefined]) categories.add(category)
  }
  return categories.has(undefined) ? [undefined] : [...categories]
}

/**
 * Announces categories to other processes, beside the appends and not in their transactions: a NOTIFY in the
 * transaction that writes would serialize all commits of the server. One statement is in flight at a time, and the next
 * one takes all that was written meanwhile. A statement that fails is not repeated.
 */
export const makeAnnouncer = Effect.fnUntraced(function*({ bound, sql }: Bounded, self: string) {
  const { channel } = logOf(sql)
  const pending = new Set<string>()
  const hasPending = Latch.makeUnsafe()
  const oneAtATime = Semaphore.makeUnsafe(1)

  // NOTIFY gives the transaction an id, and a commit with an id would wait for the disk.
  const notify = Effect.gen(function*() {
    if (pending.size === 0) return
    const payload = encodeAnnouncement(self, pending)
    pending.clear()
    yield* bound.statement(
      sql`SELECT set_config('synchronous_commit', 'off', true), pg_notify(${channel}, ${payload})`
    )
  }).pipe(
    outsideTransaction(sql),
    Effect.withTracerEnabled(false),
    Effect.ignore({ log: "Debug", message: "store could not announce its writes to other processes" }),
    oneAtATime.withPermit
  )

  yield* hasPending.await.pipe(
    Effect.andThen(hasPending.close),
    // The callers that wait for their appends go first.
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(notify),
    Effect.andThen(Effect.sleep(pause)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(notify), lastAnnouncementTimeout))

  return (category: string) => Effect.andThen(Effect.sync(() => pending.add(category)), hasPending.open)
})

/**
 * Listens to other processes on a dedicated connection, and connects again when it is lost or has fallen silent. It then wakes
 * all readers, in place of the announcements that were lost meanwhile. Ends when a pooler gives it no session of its own, to
 * listen with.
 */
export const listen = (
  config: PgClientConfig,
  { channel }: Log,
  self: string,
  wake: Wake
): Effect.Effect<void> => {
  let delay = firstDelay
  let hasSession = true

  const session = Effect.gen(function*() {
    // This scope outlives the connection's, so that the connection closes before UNLISTEN: a statement to a server that
    // has gone would never end.
    const listening = yield* Effect.scope
    return yield* Effect.scoped(Effect.gen(function*() {
      const connection = yield* openDedicated(config)
      hasSession = (yield* Scope.provide(sharingOf(connection, config), listening)) === "own"
      if (!hasSession) return
      const pinned = yield* Scope.provide(connection.pin, listening)
      // A role or a database may end its sessions sooner than the heartbeat comes.
      const lasts = Effect.forkIn(pinned.query("SET idle_session_timeout = 0", [], false), listening)
      yield* Effect.timeout(Effect.flatMap(lasts, Fiber.join), answerTimeout)
      const notifications = yield* Effect.timeout(Scope.provide(pinned.listen(channel), listening), answerTimeout)
      delay = firstDelay
      yield* wake(undefined)
      // In a fiber of its own: to interrupt a statement that the server does not answer would take seconds.
      const heartbeat = Effect.forkIn(pinned.query("SELECT 1"), listening).pipe(
        Effect.flatMap((asked) => Effect.timeout(Fiber.join(asked), answerTimeout)),
        Effect.delay(heartbeatInterval)
      )
      return yield* Queue.takeAll(notifications).pipe(
        Effect.flatMap((taken) => Effect.forEach(announcedCategories(taken, self), wake, { discard: true })),
        Effect.forever,
        Effect.raceFirst(Effect.forever(heartbeat))
      )
    }))
  })

  const backOff = Effect.suspend(() => {
    const millis = delay
    delay = Math.min(2 * delay, maxDelay)
    return Effect.flatMap(Random.nextBetween(millis / 2, millis), Effect.sleep)
  })

  return Effect.scoped(session).pipe(
    Effect.ignoreCause({ log: "Debug", message: "listener for announcements is not connected; connecting again" }),
    Effect.andThen(Effect.suspend(() => hasSession ? backOff : Effect.void)),
    Effect.repeat({ while: () => hasSession }),
    Effect.andThen(Effect.logWarning(
      "store does not hear of the writes of other processes, so its readers find them when they poll: a pooler on the way to " +
        "the server shares its sessions between transactions; open the store with a `directUrl`"
    ))
  )
}
