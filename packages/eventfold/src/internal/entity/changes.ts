import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Category from "../../Category.ts"
import { isDeleted, type RecordedMessage } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as StreamName from "../../StreamName.ts"
import * as Eager from "../runtime/eagerLoop.ts"
import { type Model, open, type ReadError } from "./entityStream.ts"
import type { Fold } from "./fold.ts"

type Current<S> = Pick<Fold<S>, "state" | "version">

/** The latest state of a stream, then the state after each event that is written: see `Entity.changes`. */
export const changes = <E extends Category.Events, O extends Category.Options, S>(
  model: Model<E, O, S>,
  id: Category.Id<Category.Category<E, O>>,
  pollInterval: Duration.Input
): Stream.Stream<Current<S>, ReadError, MessageStore | Category.Services<Category.Category<E, O>>> =>
  Stream.unwrap(Effect.gen(function*() {
    const { category, evolve } = model
    const store = yield* MessageStore
    const { load, reload, streamName } = yield* open(model, id)
    // A stream with a name has a category with one.
    const wakeUps = yield* Effect.orDie(store.wakeUps(StreamName.category(streamName)))
    const first = yield* load("latest")
    let { state, version } = first

    const foldOn = (rows: ReadonlyArray<RecordedMessage>) => {
      const states: Array<Current<S>> = []
      let isOutdated = false
      const step = (
        event: Option.Option<Category.RecordedEvent<Category.Category<E, O>>>,
        recorded: RecordedMessage
      ) => {
        isOutdated ||= isDeleted(recorded)
        version = recorded.position
        if (Option.isNone(event)) return
        state = evolve(state, event.value)
        states.push({ state, version })
      }
      // When it was folded again, the state may be ahead of the page.
      const unread = rows.filter(({ position }) => position > version)
      return Effect.flatMap(
        Eager.forEach(unread, category.decode, step),
        () => isOutdated ? Effect.map(reload, changeTo) : Effect.succeed(states)
      )
    }
    /** The state may have had a message folded in that is deleted now. */
    const changeTo = (fold: Fold<S>): Array<Current<S>> => {
      state = fold.state
      version = fold.version
      return [{ state, version }]
    }
    const readNew = Stream.suspend(() => store.readStream(streamName, { from: version + 1 })).pipe(
      Stream.mapArrayEffect((rows) => Effect.map(foldOn(rows), Arr.of)),
      Stream.flattenIterable,
      // The position is ours, and every store reads forwards: either failure would be a bug.
      Stream.catchTag(["InvalidArgument", "Unsupported"], Stream.die)
    )
    return Stream.fromEffectRepeat(Effect.timeoutOption(wakeUps.await, pollInterval)).pipe(
      Stream.flatMap(() => readNew),
      Stream.prepend([{ state, version }])
    )
  }))
