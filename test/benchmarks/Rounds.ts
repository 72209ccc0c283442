/**
 * Measuring sides against one another: short rounds in turns, so that whatever else the machine does meets all of them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BenchError } from "./BenchError.ts"
import { at, type Quartiles, quartiles } from "./Statistics.ts"
import { type Unit, units } from "./Units.ts"

/**
 * How long each round takes, where its row does not ask for more, how many of them there are for each side, and how long a
 * side may take to warm up at the most.
 */
export interface Effort {
  readonly rounds: number
  readonly millis: number
  readonly warmUp: number
}

/** Measures a side for a while: its calls a second, or what the row's unit says. A row of percentiles gets samples. */
export type Round = (millis: number) => Effect.Effect<number | ReadonlyArray<number>, BenchError>

/** What ours is compared with. */
export interface Peer {
  readonly name: string
  /** The lowest ratio that we accept, if the row has one. */
  readonly budget?: number | undefined
}

/** Prepares a side, which stays ready for as long as its row is measured. */
export type Side<R = never> = Effect.Effect<Round, BenchError, R | Scope.Scope>

/** A peer that can be measured. */
export interface PeerSide<R = never> extends Peer {
  readonly side: Side<R>
}

/** What a row is called, and what its figures mean. */
export interface Heading {
  readonly name: string
  readonly description: string
  readonly unit: Unit
  /** The rows of a group share a chart. */
  readonly group?: string | undefined
  /** What we want for ours, in the unit, if there is a figure for it: the least, or the most if less is better. */
  readonly goal?: number | undefined
  /** The samples of a round give one result for each of these, with its own goal. */
  readonly percentiles?: ReadonlyArray<{ readonly share: number; readonly goal?: number }> | undefined
  readonly peers: ReadonlyArray<Peer>
}

/** What is measured. Ours is prepared first, then the peers in their order. */
export interface Row<R = never> extends Heading {
  readonly ours: Side<R>
  readonly peers: ReadonlyArray<PeerSide<R>>
  /** Measures PostgreSQL and no code of ours, so no two builds differ in it. */
  readonly ofServer?: boolean | undefined
  /** Takes longer than a quick run has time for, unless it is asked for by its name. */
  readonly slow?: boolean | undefined
  /** Measured once, and at once: it takes long, and is the same every time. */
  readonly once?: boolean | undefined
  /** The least that a round takes, in milliseconds, where a short one would be all beginning and end. */
  readonly millis?: number | undefined
  /** How long each side runs before it is measured, in milliseconds: V8 makes it faster for so long. Else one round. */
  readonly warmUp?: number | undefined
}

export interface Comparison extends Peer {
  readonly figures: Quartiles
  /** How many times ours is better than the peer's, round by round: what the machine did meanwhile is in both. */
  readonly ratio: Quartiles
}

export interface Result {
  readonly name: string
  readonly description: string
  readonly group?: string | undefined
  readonly unit: Unit
  readonly goal?: number | undefined
  readonly ours: Quartiles
  readonly peers: ReadonlyArray<Comparison>
}

/** The results that a row gives: names, and what they are of the samples of a round. */
const figures = (row: Pick<Heading, "name" | "goal" | "percentiles">) =>
  row.percentiles === undefined
    ? [{ name: row.name, goal: row.goal, of: (samples: ReadonlyArray<number>) => at(samples, 0.5) }]
    : row.percentiles.map(({ goal, share }) => ({
      name: `${row.name}-p${share * 100}`,
      goal,
      of: (samples: ReadonlyArray<number>) => at(samples.toSorted((a, b) => a - b), share)
    }))

/** The names of a row's results. */
export const namesOf = (row: Pick<Heading, "name" | "goal" | "percentiles">): ReadonlyArray<string> =>
  figures(row).map(({ name }) => name)

/** The rows of these names, and those whose names begin with one of them. If there are none: all that there is time for. */
export const select = <R>(
  rows: ReadonlyArray<Row<R>>,
  names: ReadonlyArray<string>,
  isQuick: boolean
): ReadonlyArray<Row<R>> =>
  rows.filter((row) => {
    const own = [row.name, ...namesOf(row)]
    return names.length === 0
      ? !(isQuick && row.slow === true)
      : names.some((name) => own.some((of) => of === name || of.startsWith(`${name}-`)))
  })

/** The row without its peers: for a profile of ours. */
export const alone = <R>(row: Row<R>): Row<R> => ({ ...row, peers: [] })

/** Runs the call over and over for a while, by that many fibers: calls a second. */
export const repeatedly = <E, R>(
  millis: number,
  call: (index: number) => Effect.Effect<unknown, E, R>,
  concurrency = 1
): Effect.Effect<number, E, R> =>
  Clock.clockWith((clock) =>
    Effect.gen(function*() {
      const begin = clock.monotonicTimeNanosUnsafe()
      const end = begin + BigInt(millis) * 1_000_000n
      let calls = 0
      const caller = Effect.whileLoop({
        while: () => clock.monotonicTimeNanosUnsafe() < end,
        body: () => call(calls++),
        step: () => {}
      })
      yield* Effect.replicateEffect(caller, concurrency, { concurrency, discard: true })
      return calls * 1e9 / Number(clock.monotonicTimeNanosUnsafe() - begin)
    })
  )

/** Measures an effect that gives how many it did, again and again for a while and at least once: these a second. */
export const rate = <E, R>(effect: Effect.Effect<number, E, R>, millis = 0): Effect.Effect<number, E, R> =>
  Clock.clockWith((clock) =>
    Effect.suspend(() => {
      const begin = clock.monotonicTimeNanosUnsafe()
      const end = begin + BigInt(millis) * 1_000_000n
      let [count, isFirst] = [0, true]
      const again = Effect.whileLoop({
        while: () => isFirst || clock.monotonicTimeNanosUnsafe() < end,
        body: () => effect,
        step: (more) => {
          isFirst = false
          count += more
        }
      })
      return Effect.map(again, () => count * 1e9 / Number(clock.monotonicTimeNanosUnsafe() - begin))
    })
  )

const samples = (measured: number | ReadonlyArray<number>) => typeof measured === "number" ? [measured] : measured

/** The measurements of the sides, in their order. Who is first finds other pages in memory, so they take turns in that. */
const round = (sides: ReadonlyArray<Round>, millis: number, turn: number) => {
  const numbered = sides.map((side, i) => ({ i, measure: side(millis) }))
  const first = turn % sides.length
  return Effect.map(
    Effect.forEach(
      [...numbered.slice(first), ...numbered.slice(0, first)],
      ({ i, measure }) => Effect.map(measure, (measured) => ({ i, measured: samples(measured) }))
    ),
    (all) => all.toSorted((a, b) => a.i - b.i).map(({ measured }) => measured)
  )
}

/** What comes out of the measurements of the rounds, each of them a list of samples for each side, ours first. */
export const results = (
  row: Heading,
  rounds: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
): ReadonlyArray<Result> =>
  figures(row).map(({ goal, name, of }) => {
    const bySide = (side: number) => rounds.map((measured) => of(measured[side] ?? []))
    // A rare case is rare in each round: it is looked for in all of them.
    const summary = (side: number): Quartiles => ({
      ...quartiles(bySide(side)),
      ...row.percentiles !== undefined && { median: of(rounds.flatMap((measured) => measured[side] ?? [])) }
    })
    const ours = bySide(0)
    const { less } = units[row.unit]
    return {
      name,
      description: row.description,
      group: row.group,
      unit: row.unit,
      goal,
      ours: summary(0),
      peers: row.peers.map((peer, i) => {
        const theirs = bySide(i + 1)
        const ratios = ours.map((our, n) => less ? (theirs[n] ?? 0) / our : our / (theirs[n] ?? 0))
        return { name: peer.name, budget: peer.budget, figures: summary(i + 1), ratio: quartiles(ratios) }
      })
    }
  })

/** Measures a row. What each side does first is not counted: it fills caches, plans statements and has code compiled. */
export const measure = <R>(
  row: Row<R>,
  effort: Effort
): Effect.Effect<ReadonlyArray<Result>, BenchError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.gen(function*() {
    const sides = yield* Effect.forEach([row.ours, ...row.peers.map(({ side }) => side)], (side) => side)
    const millis = Math.max(effort.millis, row.millis ?? 0)
    const warmUp = Math.max(millis, Math.min(row.warmUp ?? 0, effort.warmUp))
    if (row.once !== true) yield* round(sides, warmUp, 0)
    const count = row.once === true ? 1 : effort.rounds
    const measured = yield* Effect.forEach(Array.from({ length: count }, (_, i) => i), (i) => round(sides, millis, i))
    return results(row, measured)
  }))
