/**
 * Checks what a store holds: that positions have no gaps, that ids are unique, that data can be read, and that the database still has
 * what was installed.
 *
 * {@link run} looks at every message in one consistent view, beside writers and in bounded memory, and gives what it finds as typed
 * {@link Finding}s. A store that is well has none.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as InProcess from "./internal/store/inProcess.ts"
import { MessageStore } from "./MessageStore.ts"
import { type StoreError, Unsupported } from "./StoreError.ts"

/**
 * What can be found. Marks of deletions are no gaps: a tombstone keeps the position of its message, and the notice of a deleted stream
 * names the position up to which its messages are gone.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Finding = Schema.Union([
  /** A stream lacks positions between two of its messages, or before its first one. */
  Schema.TaggedStruct("PositionGap", {
    streamName: Schema.String,
    /** The last position before the gap; -1 when the stream begins with the gap. */
    after: Schema.Int,
    /** The first position after the gap. */
    position: Schema.Int,
    globalPosition: Schema.Int
  }),
  /** Two messages of a stream have the same position. */
  Schema.TaggedStruct("PositionRepeated", {
    streamName: Schema.String,
    position: Schema.Int,
    /** Of the second one. */
    globalPosition: Schema.Int
  }),
  /** A message comes before an earlier one of its stream in the order of the store. */
  Schema.TaggedStruct("OrderBroken", {
    streamName: Schema.String,
    position: Schema.Int,
    globalPosition: Schema.Int,
    /** The global position of the message at the position before. */
    previous: Schema.Int
  }),
  /** Several messages have the same id. */
  Schema.TaggedStruct("IdRepeated", { id: Schema.String, messages: Schema.Int }),
  /** The data or the metadata of a message can't be read. */
  Schema.TaggedStruct("Unreadable", {
    globalPosition: Schema.Int,
    /** What the database says. */
    reason: Schema.String
  }),
  /** The next append would take a global position that a message has. */
  Schema.TaggedStruct("SequenceBehind", {
    /** The highest global position of a message. */
    last: Schema.Int,
    /** The last one that the sequence has given. */
    sequence: Schema.Int
  }),
  /** The database lacks an object that the installation makes. */
  Schema.TaggedStruct("ObjectMissing", { kind: Schema.String, name: Schema.String }),
  /** An object is not as the installation makes it. */
  Schema.TaggedStruct("ObjectChanged", { kind: Schema.String, name: Schema.String }),
  /** An index is not used, because its making was cut off or is not finished. */
  Schema.TaggedStruct("IndexInvalid", { name: Schema.String }),
  /** An object uses a function, operator, type or collation that is neither the schema's nor PostgreSQL's. */
  Schema.TaggedStruct("ForeignObjectUsed", { description: Schema.String }),
  /** The schema has another version than this library, so its objects were not compared. */
  Schema.TaggedStruct("NotCompared", { installed: Schema.Int, library: Schema.Int })
])

/**
 * What was found.
 *
 * @category models
 * @since 0.1.0
 */
export type Finding = typeof Finding.Type

/**
 * How much a finding matters: an `error` is damage, a `warning` costs speed or may become damage, and a `note` is neither.
 *
 * @category models
 * @since 0.1.0
 */
export type Level = "error" | "warning" | "note"

/**
 * What a kind of finding means, and what to do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly level: Level
  readonly summary: string
  readonly remedy: string
}

const restore = "restore the messages from a backup, or find which program has changed the table"

/**
 * The rules, by the tags of their findings.
 *
 * @category models
 * @since 0.1.0
 */
export const rules: { readonly [Tag in Finding["_tag"]]: Rule } = {
  PositionGap: { level: "error", summary: "A stream lacks positions.", remedy: restore },
  PositionRepeated: {
    level: "error",
    summary: "Two messages of a stream have the same position.",
    remedy: `${restore}; then make the unique index messages_stream again`
  },
  OrderBroken: {
    level: "error",
    summary: "A stream and the store have the same messages in different orders.",
    remedy: restore
  },
  IdRepeated: {
    level: "error",
    summary: "Several messages have the same id.",
    remedy: `${restore}; then make the unique index messages_id again`
  },
  Unreadable: { level: "error", summary: "The content of a message can't be read.", remedy: restore },
  SequenceBehind: {
    level: "error",
    summary: "The sequence of global positions is behind the messages, so appends fail.",
    remedy:
      "set it: SELECT setval('message_store.messages_global_position_seq', max(global_position)) FROM message_store.messages"
  },
  ObjectMissing: {
    level: "error",
    summary: "The database lacks an object of the schemas.",
    remedy: "install again: `npx @eventfold/cli install`, or Postgres.install"
  },
  ObjectChanged: {
    level: "warning",
    summary: "An object of the schemas is not as the installation makes it.",
    remedy: "look what has changed it, and install again: `npx @eventfold/cli install`, or Postgres.install"
  },
  IndexInvalid: {
    level: "warning",
    summary: "An index is there but not used.",
    remedy: "REINDEX INDEX CONCURRENTLY, with the name of the index"
  },
  ForeignObjectUsed: {
    level: "error",
    summary: "An object of the schemas uses one of another schema.",
    remedy: "look who made that object, and install again: Postgres.install mends what is eventfold's. See SECURITY.md"
  },
  NotCompared: {
    level: "note",
    summary: "The schema has another version than this library, so its objects were not compared.",
    remedy: "verify with the library of that version, or upgrade the schema"
  }
}

/**
 * Describes a finding in one line.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (finding: Finding): string => {
  switch (finding._tag) {
    case "PositionGap":
      return finding.after === -1
        ? `stream ${finding.streamName} begins at position ${finding.position} (global position ${finding.globalPosition})`
        : `stream ${finding.streamName} has position ${finding.position} (global position ${finding.globalPosition}) after ` +
          `position ${finding.after}`
    case "PositionRepeated":
      return `stream ${finding.streamName} has position ${finding.position} again at global position ${finding.globalPosition}`
    case "OrderBroken":
      return `position ${finding.position} of stream ${finding.streamName} is at global position ${finding.globalPosition}, and ` +
        `the position before it at ${finding.previous}`
    case "IdRepeated":
      return `${finding.messages} messages have the id ${finding.id}`
    case "Unreadable":
      return `the message at global position ${finding.globalPosition} can't be read: ${finding.reason}`
    case "SequenceBehind":
      return `the sequence of global positions is at ${finding.sequence}, and the last message at ${finding.last}`
    case "ObjectMissing":
      return `the ${finding.kind} ${finding.name} is missing`
    case "ObjectChanged":
      return `the ${finding.kind} ${finding.name} is not as it was installed`
    case "IndexInvalid":
      return `the index ${finding.name} is not valid`
    case "ForeignObjectUsed":
      return finding.description
    case "NotCompared":
      return `the schema has version ${finding.installed} and this library is made for ${finding.library}, so objects were not compared`
  }
}

/**
 * What was looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verified {
  /** How many messages. */
  readonly messages: number
}

/**
 * What a backend implements for this module: looks at everything, in one consistent view. `verified` is called once, with what was
 * looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyBackend {
  readonly findings: (verified: (what: Verified) => void) => Stream.Stream<Finding, StoreError>
}

/**
 * The options of {@link run}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never> {
  /** Runs at the end, when everything was looked at. */
  readonly onVerified?: ((what: Verified) => Effect.Effect<void, E, R>) | undefined
}

/**
 * Looks at everything in the store, and gives what is wrong.
 *
 * **Details**
 *
 * It takes one consistent view, so messages that are written meanwhile are not looked at, and no writer waits. Memory is bounded here
 * and on the server, which sorts on its disk. On PostgreSQL it takes about as long as to copy the table out.
 *
 * What is not looked at: whether data fits the schemas of a category, and whether an index of the server that claims to be whole has
 * every row.
 *
 * **Gotchas**
 *
 * On PostgreSQL the view is a transaction: for as long as it runs, the server can't vacuum what is deleted.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Verify } from "eventfold"
 *
 * const report = Stream.runForEach(Verify.run(), (finding) => Console.log(Verify.format(finding)))
 * ```
 *
 * @category verifying
 * @since 0.1.0
 */
export const run = <E = never, R = never>(
  { onVerified }: Options<E, R> = {}
): Stream.Stream<Finding, Unsupported | StoreError | E, MessageStore | R> =>
  Stream.unwrap(
    Effect.gen(function*() {
      const { verify } = (yield* MessageStore)[InProcess.TypeId]
      if (verify === undefined) {
        return yield* new Unsupported({ operation: "verify", remedy: "its backend has no member verify" })
      }
      let what: Verified = { messages: 0 }
      const verified = Stream.suspend(() =>
        onVerified === undefined ? Stream.empty : Stream.fromEffectDrain(onVerified(what))
      )
      return Stream.concat(verify.findings((looked) => what = looked), verified)
    }).pipe(Effect.withSpan("Verify.run"))
  )
