/** Sends commands to the machine that keeps their entity, and decides those that arrive here. */
import * as Cause from "effect/Cause"
import * as Entity from "effect/cluster/Entity"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as CommandRouter from "eventfold/CommandRouter"
import * as Commands from "eventfold/Commands"
import * as EntityCache from "eventfold/EntityCache"
import * as StreamName from "eventfold/StreamName"

/**
 * How long a caller waits for another machine before it decides itself. A machine that is gone is known to be gone long before, so this
 * is for one that can't be reached and still holds its shards.
 */
const answerLimit = "10 seconds"

/** How many entities a machine keeps when the program has no cache of its own. */
const defaultCache = { capacity: 10_000 }

const Run = Rpc.make("Run", {
  payload: CommandRouter.Sent,
  success: CommandRouter.Outcome,
  error: Schema.Union([CommandRouter.Failure, Commands.UnknownCommand])
})

/**
 * Streams are divided into buckets, each of which is an entity of the cluster: one for each stream would cost more, to begin and to keep,
 * than what its commands gain.
 */
const Bucket = Entity.make("eventfold/Commands", [Run])

const buckets = 256n

const bucketOf = ({ category, id }: CommandRouter.Sent): string =>
  `bucket ${BigInt.asUintN(64, StreamName.hash64(`${category}-${id}`)) % buckets}`

const keyOf = (category: string, command: string): string => JSON.stringify([category, command])

/** Finds the commands that have one of a name. Several can be of one category; of two with one name it is the first. */
const makeFind = <R>(all: ReadonlyArray<Commands.Any<R>>) => {
  const byName = new Map<string, Commands.Any<R>>()
  for (const one of all) {
    const { category, commands } = Commands.describe(one)
    for (const { name } of commands) byName.set(keyOf(category, name), byName.get(keyOf(category, name)) ?? one)
  }
  return ({ category, command }: CommandRouter.Sent) => byName.get(keyOf(category, command))
}

/**
 * A call whose other end may interrupt it: a machine that stops, or loses its shards, does so to those who wait for it. They have no answer
 * then, and go on. Interrupting the caller interrupts the call.
 */
const unlessInterrupted = <A, E, R>(
  call: Effect.Effect<Option.Option<A>, E, R>
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.flatMap(Effect.forkChild(call, { startImmediately: true }), (fiber) =>
    Fiber.await(fiber).pipe(
      Effect.onInterrupt(() => Fiber.interrupt(fiber)),
      Effect.flatMap((exit) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Effect.succeedNone : exit)
    ))

/** The router of a machine that takes part with some commands. Others are decided where they are called. */
export const make = Effect.fnUntraced(function*<R>(all: ReadonlyArray<Commands.Any<R>>) {
  const find = makeFind(all)
  const cache = yield* EntityCache.EntityCache
  const kept = Option.isSome(cache)
    ? Context.empty()
    : yield* Layer.build(EntityCache.layer(defaultCache))
  const context = Context.merge(yield* Effect.context<R>(), kept)

  const handlers = Bucket.of({
    Run: ({ payload }) => {
      const commands = find(payload)
      const { category, command } = payload
      return commands === undefined
        ? Effect.fail(new Commands.UnknownCommand({ category, command, known: [] }))
        : Effect.provideContext(Commands.perform(commands, payload), context)
    }
  })
  // A decision that dies is its caller's: the bucket goes on.
  yield* Layer.build(
    Bucket.toLayer(handlers, {
      concurrency: "unbounded",
      mailboxCapacity: "unbounded",
      maxIdleTime: Duration.infinity,
      disableFatalDefects: true
    })
  )
  const clientOf = yield* Bucket.client

  const service: CommandRouter.Service = {
    send: (sent) =>
      find(sent) === undefined ? Effect.succeedNone : clientOf(bucketOf(sent)).Run(sent).pipe(
        // It is decided here then, under the same id: it has one effect, also when it did arrive.
        Effect.timeoutOption(answerLimit),
        Effect.catchTags({
          AlreadyProcessingMessage: () => Effect.succeedNone,
          EntityNotAssignedToRunner: () => Effect.succeedNone,
          MailboxFull: () => Effect.succeedNone,
          PersistenceError: () => Effect.succeedNone,
          UnknownCommand: () => Effect.succeedNone
        }),
        unlessInterrupted
      )
  }
  return service
})
