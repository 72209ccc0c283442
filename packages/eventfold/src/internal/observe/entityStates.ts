import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Category from "../../Category.ts"
import type { Entity } from "../../Entity.ts"
import type { RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import { firstIssue } from "../category/jsonCodec.ts"
import { versionOption } from "../entity/entityStream.ts"
import { catchUp, emptyFold, type Fold } from "../entity/fold.ts"
import { thrown } from "../runtime/boundedJson.ts"
import { checkInt } from "../store/argumentChecks.ts"
import type { EntityChange, EntityState } from "./observedEntities.ts"

/**
 * A state that can't be shown: `evolve` has made something that the schema of the state does not describe, or has thrown.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnshowableState extends Schema.TaggedError<UnshowableState>()("UnshowableState", {
  streamName: Schema.String,
  /** The position of the last message that the state stands for, or at which `evolve` has thrown. */
  version: Schema.OptionFromNullOr(Schema.Int),
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  reason: Schema.String
}) {
  override get message(): string {
    const at = Option.match(this.version, { onNone: () => "", onSome: (version) => ` at version ${version}` })
    const path = ["state", ...this.path].join(".")
    return `the state of ${this.streamName}${at} can't be shown: ${path}: ${this.reason}`
  }
}

/**
 * Which state of an entity.
 *
 * @category options
 * @since 0.1.0
 */
export interface EntityStateOptions {
  /**
   * After the message of a version, inclusive, from 0; or before the first message that was written later than a time. Defaults
   * to the latest state.
   */
  readonly at?: { readonly version: number } | { readonly time: DateTime.Utc } | undefined
  /** A version, from 0, whose state to give too. Both come of one fold. Defaults to none. */
  readonly compare?: number | undefined
}

/**
 * Which changes of an entity.
 *
 * @category options
 * @since 0.1.0
 */
export interface EntityChangesOptions {
  /** The position of the first message, inclusive. Defaults to 0. */
  readonly from?: number | undefined
  /** How many messages at most, from 0. Defaults to all. */
  readonly limit?: number | undefined
}

/** An entity of any category, by the name under which it is registered. */
export interface Named {
  readonly name: string
  readonly entity: Entity<Category.Untyped, unknown>
}

/** A state, or why there is none: what `evolve` throws ends the fold. */
type Folded = Result.Result<unknown, UnshowableState>

/** The fold of an entity that says what `evolve` throws, and at which version. */
const foldingOf = ({ entity: { category, evolve, initial } }: Named, streamName: string) => ({
  decode: category.decode,
  initial: Result.succeed(initial) as Folded,
  evolve: (folded: Folded, event: Category.RecordedEvent<Category.Untyped>): Folded =>
    Result.flatMap(folded, (state) =>
      Result.try({
        try: () => evolve(state, event),
        catch: (defect) =>
          new UnshowableState({
            streamName,
            version: versionOption(event.recorded.position),
            path: [],
            reason: `evolve throws at its message of type ${event.type}: ${thrown(defect)}`
          })
      }))
})

const encoderOf = (schema: Schema.Codec<unknown, unknown>, streamName: string) => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(schema))
  return Effect.fnUntraced(function*({ state, version }: Pick<Fold<Folded>, "state" | "version">) {
    return yield* Effect.mapErrorEager(
      encode(yield* Effect.fromResult(state)),
      (error) => new UnshowableState({ streamName, version: versionOption(version), ...firstIssue(error) })
    )
  })
}

/** The stream of an id as it stands in a stream name, checked by the category's schema for ids. */
const streamOf = Effect.fnUntraced(function*({ entity: { category } }: Named, id: string) {
  const streamName = `${category.categoryName}-${id}`
  yield* category.id(streamName)
  return streamName
})

const isUpTo = (version: number) => ({ position }: RecordedMessage): boolean => position <= version

const isBy = (time: DateTime.Utc) => (recorded: RecordedMessage): boolean =>
  recorded.time.epochMilliseconds <= time.epochMilliseconds

const messageAt = Effect.fnUntraced(function*(streamName: string, version: number) {
  if (version === -1) return Option.none()
  const store = yield* MessageStore
  return yield* Stream.runHead(store.readStream(streamName, { from: version, limit: 1 })).pipe(
    // The position is ours, and every store reads forwards: either failure would be a bug.
    Effect.catchTag(["InvalidArgument", "Unsupported"], Effect.die)
  )
})

/** The state of an entity. What is asked for beside the latest state is folded from the beginning, in one go. */
export const entityState = Effect.fnUntraced(function*(
  named: Named,
  id: string,
  { at, compare }: EntityStateOptions = {}
) {
  const { entity, name } = named
  if (at !== undefined && "version" in at) yield* checkInt("at", at.version, 0)
  yield* checkInt("compare", compare, 0)
  const streamName = yield* streamOf(named, id)
  const store = yield* MessageStore
  const folding = foldingOf(named, streamName)
  const empty = emptyFold(folding.initial)
  const encode = encoderOf(entity.state, streamName)

  const isShown = at === undefined ? undefined : "time" in at ? isBy(at.time) : isUpTo(at.version)
  const fold = (from: Fold<Folded>, isBefore?: (recorded: RecordedMessage) => boolean) =>
    catchUp(folding, streamName, from, isBefore)
  let decisive = -1
  /** The same fold, which notes the last change. */
  const foldOn = (from: Fold<Folded>, isBefore?: (recorded: RecordedMessage) => boolean) =>
    catchUp(
      {
        ...folding,
        evolve: (state, event) => {
          const next = folding.evolve(state, event)
          const { position } = event.recorded
          if (position > from.version && !Equal.equals(state, next)) decisive = position
          return next
        }
      },
      streamName,
      from,
      isBefore
    )
  const both = Effect.gen(function*() {
    if (compare === undefined) return { shown: yield* fold(empty, isShown) }
    const isCompared = isUpTo(compare)
    if (isShown === undefined) {
      const compared = yield* fold(empty, isCompared)
      return { compared, shown: yield* foldOn(compared) }
    }
    // The earlier one first: the other goes on from it.
    const earlier = yield* fold(empty, (recorded) => isCompared(recorded) && isShown(recorded))
    // One of the two is the earlier one, and there is nothing to note for it.
    const compared = yield* foldOn(earlier, isCompared)
    return { compared, shown: yield* foldOn(earlier, isShown) }
  })
  const { compared, shown } = yield* both
  const found: EntityState = {
    entity: name,
    id,
    streamName,
    version: versionOption(shown.version),
    state: yield* encode(shown),
    message: yield* messageAt(streamName, shown.version),
    last: yield* store.streamVersion(streamName),
    compared: compared === undefined
      ? Option.none()
      : Option.some({ version: versionOption(compared.version), state: yield* encode(compared) }),
    decisive: yield* messageAt(streamName, decisive)
  }
  return found
})

/** The messages of an entity's stream with what each changed. */
export const entityChanges = (named: Named, id: string, { from = 0, limit }: EntityChangesOptions = {}) =>
  Stream.unwrap(Effect.gen(function*() {
    const { entity } = named
    yield* checkInt("from", from, 0)
    const streamName = yield* streamOf(named, id)
    const store = yield* MessageStore
    const folding = foldingOf(named, streamName)
    const start = yield* catchUp(folding, streamName, emptyFold(folding.initial), ({ position }) => position < from)
    const encode = encoderOf(entity.state, streamName)
    let { state } = start
    let before = yield* encode(start)
    return store.readStream(streamName, { from, limit }).pipe(
      Stream.mapEffect(Effect.fnUntraced(function*(message) {
        const event = yield* folding.decode(message)
        if (Option.isNone(event)) return { message, isEvent: false, before, after: before }
        state = folding.evolve(state, event.value)
        const after = yield* encode({ state, version: message.position })
        const change: EntityChange = { message, isEvent: true, before, after }
        before = after
        return change
      })),
      // Every store reads forwards: the failure would be a bug.
      Stream.catchTag("Unsupported", Stream.die)
    )
  }))
