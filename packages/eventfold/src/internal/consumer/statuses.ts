import * as Option from "effect/Option"
import type { RunningStatus } from "../../ConsumerStatus.ts"

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, one) => sum + one, 0)

/** One status for sessions that share out the members of a consumer: what each has, together. */
export const merge = (statuses: ReadonlyArray<RunningStatus>): RunningStatus => {
  const total = (of: (status: RunningStatus) => number) => sum(statuses.map(of))
  const active = statuses.filter(({ isActive }) => isActive)
  const read = active.flatMap(({ lastRead }) => lastRead === undefined ? [] : [lastRead])
  const failures = statuses.flatMap(({ lastFailure }) => Option.toArray(lastFailure))
  return {
    isActive: active.length > 0,
    positions: statuses.flatMap(({ positions }) => positions).toSorted((a, b) => (a.member ?? 0) - (b.member ?? 0)),
    // Up to here all of them have read.
    lastRead: read.length === 0 ? undefined : Math.min(...read),
    heldBack: Option.firstSomeOf(statuses.map(({ heldBack }) => heldBack)),
    inFlight: total(({ inFlight }) => inFlight),
    pending: total(({ pending }) => pending),
    handled: total(({ handled }) => handled),
    failed: total(({ failed }) => failed),
    retried: total(({ retried }) => retried),
    skipped: total(({ skipped }) => skipped),
    parked: total(({ parked }) => parked),
    rate: total(({ rate }) => rate),
    stuck: statuses.flatMap(({ stuck }) => stuck),
    lastFailure: Option.fromUndefinedOr(
      failures.toSorted((a, b) => b.time.epochMilliseconds - a.time.epochMilliseconds)[0]
    )
  }
}
