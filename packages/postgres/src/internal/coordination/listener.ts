import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as RcRef from "effect/RcRef"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Wake } from "eventfold/StoreBackend"
import { openDedicated } from "../client/connections.ts"
import type { Log } from "../client/log.ts"
import { sharingOf } from "../client/sessions.ts"
import { announcedCategories } from "./announcements.ts"

/** How long the listener waits before it connects again: first, and at most, in milliseconds. */
const [firstDelay, maxDelay] = [100, 5_000]

/** How often the listener asks the server for a sign of life, and how long it waits for any answer. */
const [heartbeatInterval, answerTimeout] = ["10 seconds", "5 seconds"] as const

/** A store whose readers announcements wake. */
export interface Member {
  readonly log: Log
  /** The name under which the store announces its own writes, which have woken its readers already. */
  readonly self: string
  readonly wake: Wake
}

/** Hears what other processes announce. One connection does for any number of logs. */
export interface Listener {
  /** Wakes the readers of a store by what is announced in its log, until the scope closes. */
  readonly add: (member: Member) => Effect.Effect<void, never, Scope.Scope>
}

/** The connection that listens now, and what it does for each member. */
interface Session {
  readonly follow: (member: Member) => Effect.Effect<void>
  readonly leave: (member: Member) => Effect.Effect<void>
}

/**
 * Listens on a dedicated connection while there are members, and connects again when it is lost or has fallen silent. It then wakes
 * all readers, in place of the announcements that were lost meanwhile. Ends for good when a pooler gives it no session of its own, to
 * listen with. Runs `opened` when it has connected.
 */
export const make = Effect.fnUntraced(function*(
  config: PgClientConfig,
  opened: () => void
): Effect.fn.Return<Listener, never, Scope.Scope> {
  const members = new Set<Member>()
  let session: Session | undefined
  let delay = firstDelay
  let hasSession = true

  const listening = Effect.gen(function*() {
    // This scope outlives the connection's, so that the connection closes before UNLISTEN: a statement to a server that
    // has gone would never end.
    const scope = yield* Effect.scope
    return yield* Effect.scoped(Effect.gen(function*() {
      const connection = yield* openDedicated(config)
      hasSession = (yield* Scope.provide(sharingOf(connection, config), scope)) === "own"
      if (!hasSession) return
      const pinned = yield* Scope.provide(connection.pin, scope)
      // A role or a database may end its sessions sooner than the heartbeat comes.
      const lasts = Effect.forkIn(pinned.query("SET idle_session_timeout = 0", [], false), scope)
      yield* Effect.timeout(Effect.flatMap(lasts, Fiber.join), answerTimeout)
      delay = firstDelay
      opened()

      const failed = yield* Deferred.make<never, SqlError | Cause.TimeoutError>()
      /** The members that are followed, and how that ends. */
      const followers = new Map<Member, Effect.Effect<unknown>>()
      const follow = Effect.fnUntraced(function*(member: Member) {
        // It may have come while the others are followed, one after the other.
        if (followers.has(member)) return
        followers.set(member, Effect.void)
        const own = yield* Scope.fork(scope)
        const following = Effect.gen(function*() {
          const notifications = yield* Effect.timeout(
            Scope.provide(pinned.listen(member.log.channel), own),
            answerTimeout
          )
          yield* member.wake(undefined)
          return yield* Queue.takeAll(notifications).pipe(
            Effect.flatMap((taken) =>
              Effect.forEach(announcedCategories(taken, member.self), member.wake, { discard: true })
            ),
            Effect.forever
          )
        })
        const fiber = yield* Effect.forkIn(
          Effect.catchCause(following, (cause) => Deferred.failCause(failed, cause)),
          scope
        )
        const end = Effect.andThen(Fiber.interrupt(fiber), Scope.close(own, Exit.void))
        // It may have left meanwhile.
        if (!members.has(member)) return yield* Effect.asVoid(Effect.forkIn(end, scope))
        followers.set(member, end)
      })
      const leave = (member: Member) => {
        const end = followers.get(member) ?? Effect.void
        followers.delete(member)
        // Nobody waits for UNLISTEN.
        return Effect.asVoid(Effect.forkIn(end, scope))
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          session = { follow, leave }
        }),
        () =>
          Effect.sync(() => {
            session = undefined
          })
      )
      yield* Effect.forEach(members, follow, { discard: true })
      // In a fiber of its own: to interrupt a statement that the server does not answer would take seconds.
      const heartbeat = Effect.forkIn(pinned.query("SELECT 1"), scope).pipe(
        Effect.flatMap((asked) => Effect.timeout(Fiber.join(asked), answerTimeout)),
        Effect.delay(heartbeatInterval)
      )
      return yield* Effect.raceFirst(Deferred.await(failed), Effect.forever(heartbeat))
    }))
  })

  const backOff = Effect.suspend(() => {
    const millis = delay
    delay = Math.min(2 * delay, maxDelay)
    return Effect.flatMap(Random.nextBetween(millis / 2, millis), Effect.sleep)
  })

  const connected = Effect.scoped(listening).pipe(
    Effect.ignoreCause({ log: "Debug", message: "listener for announcements is not connected; connecting again" }),
    Effect.andThen(Effect.suspend(() => hasSession ? backOff : Effect.void)),
    Effect.repeat({ while: () => hasSession }),
    Effect.andThen(Effect.logWarning(
      "store does not hear of the writes of other processes, so its readers find them when they poll: a pooler on the way to " +
        "the server shares its sessions between transactions; open the store with a `directUrl`"
    ))
  )
  const running = yield* RcRef.make({ acquire: Effect.forkScoped(connected) })

  return {
    add: (member) =>
      Effect.suspend(() =>
        hasSession
          ? Effect.andThen(
            RcRef.get(running),
            Effect.acquireRelease(
              Effect.suspend(() => {
                members.add(member)
                return session?.follow(member) ?? Effect.void
              }),
              () =>
                Effect.suspend(() => {
                  members.delete(member)
                  return session?.leave(member) ?? Effect.void
                })
            )
          )
          : Effect.void
      )
  }
})
