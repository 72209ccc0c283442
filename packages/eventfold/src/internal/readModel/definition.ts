import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type { RecordedMessage } from "../../Message.ts"
import type { TableDifference } from "../../ReadModelStore.ts"
import { md5 } from "../runtime/md5.ts"

/**
 * How a build is filled that is to take the place of the one in use.
 *
 * @since 0.1.0
 */
export interface BuildOptions {
  /** How many messages to handle per second at the most. Default: as many as it can. */
  readonly throttle?: number | undefined
  /** Whether side effects are run for messages that are handled again. Default: they are not. */
  readonly sideEffects?: boolean | undefined
  /**
   * Compares the tables of the new build with those in use, when both have handled the same messages, before the switch:
   * they have to be the `"same"`, or the function decides whether to switch. Otherwise it is `BuildsDiffer`. Default: they
   * are not compared.
   */
  readonly compare?: "same" | ((differences: ReadonlyArray<TableDifference>) => boolean) | undefined
  /**
   * Whether the new build takes the place of the one in use as soon as it has come as far, or stays beside it until
   * `ReadModel.rebuild` is called without this. Default `"when caught up"`.
   */
  readonly switch?: "when caught up" | "manual" | undefined
}

/** @since 0.1.0 */
export interface Options {
  /** From 1. A read model whose definition has changed gets the next one. */
  readonly version: number
  /**
   * What makes its tables, in the language of the store, in order: on PostgreSQL, statements of SQL. Default: none. A
   * store that has no such tables refuses it with `Unsupported`.
   */
  readonly tables?: ReadonlyArray<string> | undefined
  /**
   * Stands for what the handlers do, in place of their source text, when it is found out whether the definition has
   * changed: for builds of the program whose text is not the same every time, or handlers whose text says nothing.
   */
  readonly fingerprint?: string | undefined
  /** How many messages one transaction handles at the most. Default: 500; of a batch handler, 1,000. */
  readonly atOnce?: number | undefined
  /** How many messages one statement reads, and about half of how many are held. Default: 1,024. */
  readonly batchSize?: number | undefined
  /** When messages whose handler failed are handled again. Default: `Consumer.defaultRetry`. A `DecodeError` is not tried again. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * What becomes of a message whose handler has failed for the last time. `"stop"`: the read model fails with the handler's
   * error, and begins with that message when it is run again. `"skip"`: it is logged as a warning, and passed over with what
   * its handler did undone. Default `"stop"`.
   */
  readonly onFailure?: "stop" | "skip" | undefined
  /** How long to wait for a wake-up before looking anyway: first the shorter time, then twice as long, up to the longer. */
  readonly poll?: {
    /** Default: 100 milliseconds. */
    readonly min?: Duration.Input | undefined
    /** Default: 5 seconds. */
    readonly max?: Duration.Input | undefined
  } | undefined
  /**
   * How long a transaction may go on when the read model is stopped, before it is interrupted, and so rolled back. Default:
   * 10 seconds.
   */
  readonly grace?: Duration.Input | undefined
  /** How a new version is built beside the one in use. */
  readonly build?: BuildOptions | undefined
}

/**
 * A message that a read model handles, and the event that its handlers want of it.
 *
 * @since 0.1.0
 */
export interface Decoded {
  readonly message: RecordedMessage
  readonly event: unknown
}

/**
 * A definition of a read model: `E` is what it can fail with, `R` what its handlers need. It does nothing until it is run.
 *
 * @since 0.1.0
 */
export interface ReadModel<out E, out R> {
  readonly name: string
  readonly version: number
  /** What makes its tables. */
  readonly tables: ReadonlyArray<string>
  /**
   * Tells this definition from another: by its sources, the types of message, the tables, and the source text of the
   * handlers.
   */
  readonly fingerprint: string
  readonly options: Options
  /** The names of the categories that it reads, as they were given; `*` is everything. */
  readonly sources: ReadonlyArray<string>
  /** The categories that it reads; `undefined`: everything. */
  readonly categories: ReadonlyArray<string> | undefined
  /** The types of message that its handlers name; `undefined`: one of them takes all types. */
  readonly types: ReadonlyArray<string> | undefined
  /** How many messages one transaction handles at the most. */
  readonly atOnce: number
  /** A message as the handlers want it; none when they do not handle it. */
  readonly decode: (message: RecordedMessage) => Effect.Effect<Option.Option<Decoded>, E, R>
  /** Handles messages in their order. */
  readonly handle: (messages: Arr.NonEmptyReadonlyArray<Decoded>) => Effect.Effect<void, E, R>
}

/** What a fingerprint is made of. */
export interface Parts {
  readonly categories: ReadonlyArray<string> | undefined
  readonly types: ReadonlyArray<string> | undefined
  readonly tables: ReadonlyArray<string>
  /** The source text of the handlers, or what stands for it. */
  readonly text: string
}

const bytes = new TextEncoder()

/** The layout of a text is not what it says. */
const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, "")

export const fingerprint = ({ categories, tables, text, types }: Parts): string => {
  const parts = JSON.stringify([
    categories?.toSorted() ?? null,
    types?.toSorted() ?? null,
    tables.map((table) => table.trim().replaceAll(/\s+/g, " ")),
    withoutSpace(text)
  ])
  const digest = md5(bytes.encode(parts))
  return Array.from({ length: 4 }, (_, i) => digest.getUint32(i * 4).toString(16).padStart(8, "0")).join("")
}
