/**
 * The checks that need several sessions: poolers, wake-ups and leases.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { nextId } from "eventfold/Message"
import type { MessageStore } from "eventfold/MessageStore"
import { sharingOf } from "../client/pool.ts"
import { findSharing, type Sharing } from "../client/sessions.ts"
import { type Finding, ok, problem } from "./check.ts"

const direct = "give the store the option directUrl, with the URL of the server itself"

/** How the client's connections keep their sessions. */
export const sharing = (sql: PgClient) => {
  const known = sharingOf(sql.config)
  return known === undefined ? findSharing(sql.config) : Effect.succeed(known)
}

/** Whether the server's sessions are shared. */
export const pooler = (sharing: Sharing): ReadonlyArray<Finding> => {
  switch (sharing) {
    case "own":
      return [ok("each connection has a session of the server for itself")]
    case "transactions":
      return [{
        status: "notice",
        detail:
          "a pooler shares the server's sessions between transactions: leases and wake-ups of other programs need more",
        remedy: direct
      }]
    case "statements":
      return [problem(
        "a pooler shares the server's sessions between statements, so there are no transactions",
        "have it share them between transactions, as PgBouncer does with pool_mode = transaction"
      )]
  }
}

/** How long an announcement may take. It takes milliseconds; on a server that is busy, longer. */
const patience = "5 seconds"

/** Whether what one session announces reaches another one. */
export const wakeUps = (sql: PgClient): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function*() {
    const channel = `eventfold_doctor_${(yield* nextId).replaceAll("-", "_")}`
    const inbox = yield* sql.listen(channel)
    yield* sql`SELECT pg_catalog.pg_notify(${channel}::pg_catalog.text, ''::pg_catalog.text)`
    const heard = yield* Effect.timeoutOption(Queue.take(inbox), patience)
    return Option.isSome(heard)
      ? [ok("an announcement reaches other sessions")]
      : [problem(`an announcement has not reached another session within ${patience}: readers only poll`, direct)]
  }).pipe(
    Effect.scoped,
    Effect.catchCause(() => Effect.succeed([problem("no session can be listened on, so readers only poll", direct)]))
  )

/** A store of a program. */
type Store = MessageStore["Service"]

/** Whether of two programs one gets a lease. Each store has a session of its own. */
export const leases = (one: Store, other: Store): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function*() {
    const name = `doctor ${yield* nextId}`
    const [first, second] = [yield* one.lease(name), yield* other.lease(name)]
    if (Option.isNone(first)) {
      return [
        problem("a lease that nobody holds was not granted", "see what holds advisory locks: SELECT * FROM pg_locks")
      ]
    }
    return Option.isSome(second)
      ? [problem("two programs hold one lease, so consumers would run twice", direct)]
      : [ok("of two programs one gets a lease")]
  }).pipe(
    Effect.scoped,
    Effect.catchTag("Unsupported", ({ message }) => Effect.succeed([problem(message, direct)])),
    Effect.catchTag("StoreError", ({ message }) =>
      Effect.succeed([problem(message, "see that the server has connections left")]))
  )
