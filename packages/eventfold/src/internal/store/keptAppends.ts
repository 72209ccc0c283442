/**
 * Appends that keep what is recorded under their ids: `onDuplicate: "keep"`. A refusal of the backend is what brings them here.
 * So every store has them, and an append that is written pays nothing for them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { RecordedMessage } from "../../Message.ts"
import { type AppendResult, type EncodedAppend, isCheck, type StoreBackend } from "../../StoreBackend.ts"
import { DuplicateMessageId, type StoreError, type Unsupported, type WrongExpectedVersion } from "../../StoreError.ts"

/** The operations of a backend that find out what is recorded. */
export type Reads = Pick<StoreBackend, "findMessage" | "readStream" | "streamVersion">

/** The errors that a write meets when some of its ids are recorded. */
type Refusal = WrongExpectedVersion | DuplicateMessageId

const partlyRecorded = ({ streamName }: EncodedAppend, { id, position }: RecordedMessage) =>
  new DuplicateMessageId({ id, streamName, recordedAt: position })

/** A recorded message and those after it in its stream, at most as many as the append has. */
const recordedFrom = (reads: Reads, { messages, streamName }: EncodedAppend, first: RecordedMessage) =>
  messages.length === 1
    ? Effect.succeed([first])
    : reads.readStream({ streamName, direction: "forwards", from: first.position, limit: messages.length }).pipe(
      Effect.flatMap((page) => page.slice(0, page.length)),
      // Every store reads forwards.
      Effect.catchTag("Unsupported", Effect.die)
    )

/** Where an append is recorded, whatever its content; none when it is not. Fails when only a part of it is. */
const findRecorded = Effect.fnUntraced(function*(
  reads: Reads,
  append: EncodedAppend,
  refusal: Refusal
): Effect.fn.Return<Option.Option<AppendResult>, DuplicateMessageId | StoreError> {
  const { messages, streamName } = append
  const [begin] = messages
  if (begin === undefined) return Option.none()
  const first = yield* reads.findMessage(streamName, begin.id)
  if (Option.isNone(first)) {
    // The refusal names an id that is taken, in this stream or in another one.
    const taken = messages.find(({ id }) => refusal._tag === "DuplicateMessageId" && id === refusal.id)
    const found = taken === undefined ? Option.none() : yield* reads.findMessage(streamName, taken.id)
    return Option.isNone(found) ? Option.none() : yield* partlyRecorded(append, found.value)
  }
  const recorded = yield* recordedFrom(reads, append, first.value)
  const last = recorded.at(-1)
  return last !== undefined && messages.every(({ id }, i) => recorded[i]?.id === id)
    ? Option.some({ version: last.position, globalPosition: last.globalPosition })
    : yield* partlyRecorded(append, first.value)
})

/** An append that keeps what is recorded: `write` writes it. */
export const appendOrKeep = (
  reads: Reads,
  append: EncodedAppend,
  write: Effect.Effect<AppendResult, Refusal | StoreError>
): Effect.Effect<AppendResult, Refusal | StoreError> =>
  Effect.catchTag(write, ["WrongExpectedVersion", "DuplicateMessageId"], (refusal) =>
    Effect.flatMap(
      findRecorded(reads, append, refusal),
      Option.match({ onNone: () => Effect.fail(refusal), onSome: Effect.succeed })
    ))

/** A part of a `writeAll`, and whether it keeps what is recorded. */
export interface Part {
  readonly append: EncodedAppend
  readonly keeps: boolean
}

/** What a check of a repeated write gives: the version as it is. */
const uncheckedVersion = ({ streamVersion }: Reads, { streamName }: EncodedAppend) =>
  Effect.map(streamVersion(streamName), (version) => ({
    version: Option.getOrElse(version, () => -1),
    globalPosition: 0
  }))

/**
 * Writes all parts but those that are recorded, or nothing. `write` writes several appends atomically.
 *
 * After a refusal, the parts that turn out to be recorded are left out, and the others are written in another attempt. What is
 * recorded stays recorded, so the attempts are as good as one; and each keeps a part more than the one before, so they end.
 */
export const writeAllOrKeep = Effect.fnUntraced(function*(
  reads: Reads,
  parts: ReadonlyArray<Part>,
  write: (
    appends: ReadonlyArray<EncodedAppend>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, Refusal | Unsupported | StoreError>
): Effect.fn.Return<ReadonlyArray<AppendResult>, Refusal | Unsupported | StoreError> {
  const results = new Map<Part, AppendResult>()
  while (true) {
    const rest = parts.filter((part) => !results.has(part))
    if (results.size > 0 && rest.every(({ append }) => isCheck(append))) {
      for (const part of rest) results.set(part, yield* uncheckedVersion(reads, part.append))
      break
    }
    const written = yield* write(rest.map(({ append }) => append)).pipe(
      Effect.map(Result.succeed),
      Effect.catchTag(["WrongExpectedVersion", "DuplicateMessageId"], (refusal) => Effect.succeed(Result.fail(refusal)))
    )
    if (Result.isSuccess(written)) {
      rest.forEach((part, i) => {
        const result = written.success[i]
        if (result !== undefined) results.set(part, result)
      })
      break
    }
    let isKept = false
    for (const part of rest) {
      if (!part.keeps) continue
      const recorded = yield* findRecorded(reads, part.append, written.failure)
      if (Option.isNone(recorded)) continue
      results.set(part, recorded.value)
      isKept = true
    }
    if (!isKept) return yield* written.failure
  }
  return parts.flatMap((part) => results.get(part) ?? [])
})
