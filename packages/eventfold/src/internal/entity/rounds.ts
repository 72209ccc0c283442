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
import { sizeOf } from "../store/encodeAppend.ts"
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
  readonly result: Deferred.Deferred<AppendResult, StoreError | Unwritten>
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

const withoutResult = Exit.die(new Error("a round was written without a result for one of its appends"))

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
  readonly add: (append: EncodedAppend, after: State) => Effect.Effect<AppendResult, StoreError | Unwritten>
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

/** A round takes at most this many transactions. Those after them make the next one. */
const maxEntries = 256

/** A round writes when what was added is of this size. */
const maxSize = 2_000

/** Of how many streams it is known that their last round was refused. */
const maxOld = 1_000

/** How many transactions go without rounds after a decision that took time. */
const restAfterSlow = 100

/** What became of an append. */
type Outcome = Exit.Exit<AppendResult, StoreError | Unwritten>

/** Whether the append led to the state that those after it decided on. One that was recorded before has the version of then. */
const ledOn = ({ after }: Contribution<AtVersion>, outcome: Outcome | undefined): boolean =>
  outcome !== undefined && Exit.isSuccess(outcome) && outcome.value.version === after.version

const isForGood = (outcome: Outcome): boolean =>
  Exit.isFailure(outcome) &&
  Option.exists(Cause.findErrorOption(outcome.cause), (error) => error._tag === "StoreError" && !error.isRetryable)

export const make = <State extends AtVersion>(): Rounds<State> => {
  /** The rounds that can still be joined. */
  const open = new Map<string, Array<Entry<State>>>()
  /** The streams whose last round was refused. */
  const old = new Set<string>()
  let resting = 0
  let isSupported = true

  /**
   * Gives each its outcome. One that was recorded before finds that out itself, and nothing was written. Those after it decided on a
   * state that never was, and are as good as not written.
   */
  const settle = (added: ReadonlyArray<Contribution<State>>, outcomes: ReadonlyArray<Outcome>) => {
    let isFounded = true
    for (const [index, one] of added.entries()) {
      const outcome = outcomes[index] ?? withoutResult
      Deferred.doneUnsafe(one.result, isFounded ? outcome : Exit.fail(unwritten))
      if (Exit.isSuccess(outcome) && !ledOn(one, outcome)) isFounded = false
    }
  }

  /** A failure of the store leaves unknown what was written. A refusal is that of one of them: the others must not have it. */
  const failure = (cause: Cause.Cause<AppendError | Unsupported>): Outcome => {
    const error = Cause.findErrorOption(cause)
    if (Option.isNone(error)) return Exit.failCause(cause as Cause.Cause<never>)
    if (error.value._tag === "StoreError") return Exit.fail(error.value)
    if (error.value instanceof Unsupported) isSupported = false
    return Exit.fail(unwritten)
  }

  /** Writes all or none. What the store does not take for good may be one of them: then each is written by itself, up to that one. */
  const write = (
    appends: ReadonlyArray<EncodedAppend>,
    together: Leading<State, never>["write"]
  ): Effect.Effect<ReadonlyArray<Outcome>> =>
    Effect.flatMap(Effect.exit(Effect.suspend(() => together(appends))), (exit) => {
      if (Exit.isSuccess(exit)) return Effect.succeed(exit.value.map((result) => Exit.succeed(result)))
      const outcome = failure(exit.cause)
      return appends.length > 1 && isForGood(outcome)
        ? writeSingly(appends, together)
        : Effect.succeed(appends.map(() => outcome))
    })

  const writeSingly = Effect.fnUntraced(
    function*(appends: ReadonlyArray<EncodedAppend>, together: Leading<State, never>["write"]) {
      const outcomes: Array<Outcome> = []
      for (const append of appends) {
        if (outcomes.some(Exit.isFailure)) outcomes.push(Exit.fail(unwritten))
        else outcomes.push(...yield* write([append], together))
      }
      return outcomes
    }
  )

  const noteOld = (streamName: string) => {
    // Without its name the stream's next round begins with what is known, and may be refused.
    if (old.size >= maxOld) old.clear()
    old.add(streamName)
  }

  /** Writes what transactions have added. Gives whether the stream is at the version that they lead to. */
  const flush = <R>(streamName: string, added: ReadonlyArray<Contribution<State>>, leading: Leading<State, R>) => {
    const last = added.at(-1)
    if (last === undefined) return Effect.succeed(true)
    if (leading.mayBeOutdated()) {
      for (const { result } of added) Deferred.doneUnsafe(result, Exit.fail(unwritten))
      return Effect.succeed(false)
    }
    let isWritten = false
    const settled = Effect.onExit(write(added.map(({ append }) => append), leading.write), (exit) => {
      const outcomes = Exit.isSuccess(exit) ? exit.value : added.map((): Outcome => Exit.failCause(exit.cause))
      isWritten = added.every((one, index) => ledOn(one, outcomes[index]))
      if (!isWritten) noteOld(streamName)
      // Whatever becomes of what is kept: they wait.
      return Effect.ensuring(
        isWritten ? leading.written(last.after) : Effect.void,
        Effect.sync(() => settle(added, outcomes))
      )
    })
    return Effect.map(Effect.exit(settled), () => isWritten)
  }

  /** Lets one transaction after the other decide, and writes what they add. Those that come meanwhile join. */
  const decisions = Effect.fnUntraced(
    function*<R>(streamName: string, entries: Array<Entry<State>>, leading: Leading<State, R>) {
      let state = yield* leading.begin(old.delete(streamName))
      let added: Array<Contribution<State>> = []
      let size = 0
      for (const { added: adds, turn } of entries) {
        Deferred.doneUnsafe(turn, Exit.succeed(state))
        if (Option.isNone(state)) continue
        const one = yield* Deferred.await(adds)
        if (Option.isNone(one)) continue
        added.push(one.value)
        state = Option.some(one.value.after)
        size += sizeOf(one.value.append)
        if (size < maxSize) continue
        if (!(yield* flush(streamName, added, leading))) state = Option.none()
        added = []
        size = 0
      }
      // To find no more entries and to close is one step: nobody joins a round that is over.
      close(streamName, entries)
      yield* flush(streamName, added, leading)
    }
  )

  const close = (streamName: string, entries: Array<Entry<State>>) => {
    if (open.get(streamName) === entries) open.delete(streamName)
  }

  const place = ({ added, turn }: Entry<State>): Place<State> => ({
    turn: Deferred.await(turn),
    add: (append, after) =>
      Effect.suspend(() => {
        const result = Deferred.makeUnsafe<AppendResult, StoreError | Unwritten>()
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
      if (found !== undefined && found.length < maxEntries) {
        found.push(entry)
        return Effect.succeed(joined)
      }
      const entries = [entry]
      open.set(streamName, entries)
      // On its own, because it is for all who join: the first of them may be interrupted.
      const lead = Effect.onExit(leading.inTurn(decisions(streamName, entries, leading)), () =>
        Effect.sync(() => {
          close(streamName, entries)
          for (const { turn } of entries) Deferred.doneUnsafe(turn, Exit.succeed(Option.none()))
        }))
      return Effect.as(Effect.forkDetach(lead), joined)
    })

  return { join }
}
