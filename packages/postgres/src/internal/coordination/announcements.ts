/**
 * Announcements tell other processes by LISTEN and NOTIFY which categories were written. They are hints: a lost one
 * costs latency, because readers poll as well.
 */
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Bounded } from "../client/bound.ts"
import { logOf } from "../client/log.ts"
import { outsideTransaction } from "../client/transactions.ts"

/** In bytes; PostgreSQL takes less than 8,000. */
const maxPayloadSize = 7_000

/** The least time between two announcements: a busy store sends at most 200 in a second. */
const pause = "5 millis"

/** How long the end of the layer waits for the last announcement. */
const lastAnnouncementTimeout = "1 second"

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
export const announcedCategories = (notifications: ReadonlyArray<PgConnection.Notification>, self: string) => {
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
