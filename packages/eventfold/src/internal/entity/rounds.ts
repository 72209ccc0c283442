/**
 * Rounds: transactions on one stream that wait for their turn decide one after the other, each on the state that the one before it
 * leads to, and are written by one call, all or none. So a hot entity takes as many decisions as there are callers in the time of one
 * write.
 *
 * The write proves all of them: the first append expects the version of the state that it was decided on, and each of the others that
 * of the one before it. When the write is refused, each transaction decides again by itself, so that one's refusal touches no other.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AppendResult, EncodedAppend } from "../../StoreBackend.ts"
import { type StoreError, Unsupported } from "../../StoreError.ts"
import type { AppendError } from "../store/options.ts"

/** A state says which version of the stream it stands for. */
interface AtVersion {
  readonly version: number
}

/** What a transaction adds to a round. */
interface Contribution<State> {
  readonly append: EncodedAppend
  /** The state after it. */
  readonly after: State
  readonly result: Deferred.Deferred<AppendResult, AppendError | Unwritten>
}

/** A transaction in a round. */
interface Entry<State> {
  /** The state to decide on; none when the round has no state, and each of its transactions reads for itself. */
  readonly turn: Deferred.Deferred<Option.Option<State>>
  /** What the transaction adds; none when it adds nothing, and lets the next one decide. */
  readonly added: Deferred.Deferred<Option.Option<Contribution<State>>>
}

/** A round was given up before it was written: nothing of it was. */
export class Unwritten {
  readonly _tag = "Unwritten"
}

const unwritten = new Unwritten()

/** What a round needs of its stream. */
export interface Leading<State, R> {
  /** Runs the round when it is the stream's turn. */
  readonly inTurn: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The state that the round begins with; none when there is none that is worth it. It is read when what is known turned out old. */
  readonly begin: (isOld: boolean) => Effect.Effect<Option.Option<State>, never, R>
  /** Writes all or none. */
  readonly write: (
    appends: ReadonlyArray<EncodedAppend>
  ) => Effect.Effect<ReadonlyArray<AppendResult>, AppendError | Unsupported>
  /** Whether the database may have become another one since the round began. */
  readonly mayBeOutdated: () => boolean
  /** Keeps the state after the round, for the next one. */
  readonly written: (after: State) => Effect.Effect<void>
}

/** The place of a transaction in a round. */
export interface Place<State> {
  /** Waits for the transaction's turn to decide. */
  readonly turn: Effect.Effect<Option.Option<State>>
  /** Adds an append, lets the next transaction decide, and waits for the write of the round. */
  readonly add: (append: EncodedAppend, after: State) => Effect.Effect<AppendResult, AppendError | Unwritten>
  /** Lets the next transaction decide, if this one has added nothing. To be called in any case, however it ends. */
  readonly leave: () => void
  /** Tells that decisions take time: rounds are no use then, because each would hold up the others. */
  readonly tooSlow: () => void
}

export interface Rounds<State extends AtVersion> {
  /** Joins the next round of a stream. None when rounds are of no use here. */
  readonly join: <R>(
    streamName: string,
    leading: Leading<State, R>
  ) => Effect.Effect<Option.Option<Place<State>>, never, R>
}

/** A round takes at most this many transactions. */
const maxEntries = 256

/** How many transactions go without rounds after a decision that took time. */
const restAfterSlow = 100

/** The first that the store has recorded before, at another version than it would have got now. -1 when there is none. */
const indexOfRepeated = (
  added: ReadonlyArray<Contribution<AtVersion>>,
  exit: Exit.Exit<ReadonlyArray<AppendResult>, unknown>
): number =>
  Exit.isFailure(exit) ? -1 : added.findIndex(({ after }, index) => after.version !== exit.value[index]?.version)

export const make = <State extends AtVersion>(): Rounds<State> => {
  /** The rounds that can still be joined. */
  const open = new Map<string, Array<Entry<State>>>()
  /** The streams whose last round was refused. */
  const old = new Set<string>()
  let resting = 0
  let isSupported = true

  /** Lets one transaction after the other decide. Those that come meanwhile join. */
  const decisions = Effect.fnUntraced(
    function*(streamName: string, entries: ReadonlyArray<Entry<State>>, begin: Option.Option<State>) {
      const added: Array<Contribution<State>> = []
      let state = begin
      for (const { added: adds, turn } of entries) {
        Deferred.doneUnsafe(turn, Exit.succeed(state))
        if (Option.isNone(state)) continue
        const one = yield* Deferred.await(adds)
        if (Option.isNone(one)) continue
        added.push(one.value)
        state = Option.some(one.value.after)
      }
      // To find no more entries and to close is one step: nobody joins a round that is over.
      open.delete(streamName)
      return added
    }
  )

  /**
   * Gives each its result. One that was recorded before, as a repeated command is, has the version of then, and nothing was written. It finds
   * that out itself. Those after it decided on a state that never was, and are as good as not written.
   */
  const settle = (
    added: ReadonlyArray<Contribution<State>>,
    exit: Exit.Exit<ReadonlyArray<AppendResult>, AppendError | Unsupported>
  ) => {
    const firstRepeated = indexOfRepeated(added, exit)
    for (const [index, { result }] of added.entries()) {
      const own = Exit.isSuccess(exit) ? exit.value[index] : undefined
      const isUnfounded = firstRepeated !== -1 && index > firstRepeated
      Deferred.doneUnsafe(
        result,
        isUnfounded ? Exit.fail(unwritten) : own === undefined ? failure(exit) : Exit.succeed(own)
      )
    }
  }

  /** A failure of the store leaves unknown what was written. A refusal is that of one of them: the others must not have it. */
  const failure = (
    exit: Exit.Exit<unknown, AppendError | Unsupported>
  ): Exit.Exit<never, StoreError | Unwritten> => {
    if (Exit.isSuccess(exit)) return Exit.die(new Error("a round was written without a result for one of its appends"))
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isNone(error)) return Exit.failCause(exit.cause as Cause.Cause<never>)
    if (error.value._tag === "StoreError") return Exit.fail(error.value)
    if (error.value instanceof Unsupported) isSupported = false
    return Exit.fail(unwritten)
  }

  const run = <R>(streamName: string, entries: ReadonlyArray<Entry<State>>, leading: Leading<State, R>) =>
    leading.inTurn(
      Effect.suspend(() =>
        Effect.flatMap(leading.begin(old.delete(streamName)), (begin) => decisions(streamName, entries, begin)).pipe(
          Effect.flatMap((added) => {
            const last = added.at(-1)
            if (last === undefined) return Effect.void
            if (leading.mayBeOutdated()) {
              for (const { result } of added) Deferred.doneUnsafe(result, Exit.fail(unwritten))
              return Effect.void
            }
            return Effect.onExit(
              Effect.suspend(() => leading.write(added.map(({ append }) => append))),
              (exit) => {
                const isWritten = Exit.isSuccess(exit) && indexOfRepeated(added, exit) === -1
                if (!isWritten) old.add(streamName)
                // Whatever becomes of what is kept: they wait.
                return Effect.ensuring(
                  isWritten ? leading.written(last.after) : Effect.void,
                  Effect.sync(() => settle(added, exit))
                )
              }
            )
          })
        )
      )
    )

  const place = ({ added, turn }: Entry<State>): Place<State> => ({
    turn: Deferred.await(turn),
    add: (append, after) =>
      Effect.suspend(() => {
        const result = Deferred.makeUnsafe<AppendResult, AppendError | Unwritten>()
        Deferred.doneUnsafe(added, Exit.succeed(Option.some({ append, after, result })))
        return Deferred.await(result)
      }),
    leave: () => Deferred.doneUnsafe(added, Exit.succeed(Option.none())),
    tooSlow: () => resting = restAfterSlow
  })

  const join: Rounds<State>["join"] = <R>(streamName: string, leading: Leading<State, R>) =>
    Effect.suspend((): Effect.Effect<Option.Option<Place<State>>, never, R> => {
      if (!isSupported || resting-- > 0) return Effect.succeedNone
      resting = 0
      const entry: Entry<State> = { turn: Deferred.makeUnsafe(), added: Deferred.makeUnsafe() }
      const joined = Option.some(place(entry))
      const found = open.get(streamName)
      if (found !== undefined) {
        if (found.length >= maxEntries) return Effect.succeedNone
        found.push(entry)
        return Effect.succeed(joined)
      }
      const entries = [entry]
      open.set(streamName, entries)
      // On its own, because it is for all who join: the first of them may be interrupted.
      const lead = Effect.onExit(Effect.ignore(run(streamName, entries, leading)), () =>
        Effect.sync(() => {
          if (open.get(streamName) === entries) open.delete(streamName)
          for (const { turn } of entries) Deferred.doneUnsafe(turn, Exit.succeed(Option.none()))
        }))
      return Effect.as(Effect.forkDetach(lead), joined)
    })

  return { join }
}
