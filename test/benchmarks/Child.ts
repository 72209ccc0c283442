/**
 * Child processes that measure, and answer over their channel.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { fork as forkProcess, type Serializable } from "node:child_process"
import { PeerError } from "./BenchError.ts"

export interface Child<A> {
  /** The next message of the process. */
  readonly next: Effect.Effect<A, PeerError>
  /** Sends a question, and waits for the answer. */
  readonly ask: (question: Serializable) => Effect.Effect<A, PeerError>
}

export interface Options<A> {
  /** Decodes a message of the process. */
  readonly decode: (message: unknown) => Effect.Effect<A, Schema.SchemaError>
  /** Options of Node, before the script. The process inherits those of this one otherwise. */
  readonly nodeOptions?: ReadonlyArray<string>
  /** A process that stays silent this long is given up. Defaults to 10 minutes, several times what the longest row takes. */
  readonly patience?: Duration.Input
}

/** Starts a script with arguments, which is killed with the scope. It calls {@link endWithParent} first. */
export const forkWith = <A>(
  script: string,
  args: ReadonlyArray<string>,
  { decode, nodeOptions, patience = "10 minutes" }: Options<A>
): Effect.Effect<Child<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const messages = yield* Queue.unbounded<unknown, PeerError>()
    const process_ = yield* Effect.acquireRelease(
      Effect.sync(() =>
        forkProcess(script, [...args], nodeOptions === undefined ? {} : { execArgv: [...nodeOptions] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const fail = (message: string, cause: unknown) =>
      Queue.failCauseUnsafe(messages, Cause.fail(new PeerError({ message: `${message}: ${script}`, cause })))
    process_.on("message", (message) => Queue.offerUnsafe(messages, message))
    process_.on("error", (cause) => fail("A process did not start", cause))
    // The channel is read to its end before the process counts as ended.
    process_.on(
      "disconnect",
      () => fail("A process ended before it answered", process_.exitCode ?? process_.signalCode)
    )
    const next = Queue.take(messages).pipe(
      Effect.flatMap((message) =>
        Effect.mapError(
          decode(message),
          (cause) => new PeerError({ message: `A process sent a message of another form: ${script}`, cause })
        )
      ),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(new PeerError({ message: `A process stayed silent: ${script}`, cause: patience }))
      })
    )
    return {
      next,
      ask: (question) => Effect.andThen(Effect.sync(() => process_.send(question)), next)
    }
  })

const decodeNumber = Schema.decodeUnknownEffect(Schema.Finite)

/** The same for a process that answers with numbers. */
export const fork = (
  script: string,
  args: ReadonlyArray<string>
): Effect.Effect<Child<number>, never, Scope.Scope> => forkWith(script, args, { decode: decodeNumber })

/** Ends this process with its parent, however the parent ends: to be called first by what {@link fork} starts. */
export const endWithParent: Effect.Effect<void> = Effect.sync(() => {
  // The parent may have ended while this process was loading its modules.
  if (!process.connected) process.exit(1)
  process.once("disconnect", () => process.exit(1))
})

/** The questions that the parent asks this process, in their order. */
export const questions: Effect.Effect<Queue.Dequeue<unknown>> = Effect.gen(function*() {
  const asked = yield* Queue.unbounded<unknown>()
  process.on("message", (message) => Queue.offerUnsafe(asked, message))
  return asked
})

/** Sends a message to the parent of this process. */
export const answer = (message: unknown): Effect.Effect<void> => Effect.sync(() => process.send?.(message))
