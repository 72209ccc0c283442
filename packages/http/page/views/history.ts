/**
 * What was seen of the readers: what the server remembers, and what has come since.
 */
import type { Answer } from "../data/api.ts"

type Told = Answer<"GET", "/now/history">
type Now = Answer<"GET", "/now">

export interface History {
  /** In milliseconds, rising. */
  readonly times: ReadonlyArray<number>
  /** The ends of the log at these times. */
  readonly ends: ReadonlyArray<number>
  /** How old the oldest message was that a reader had not handled. */
  readonly ages: ReadonlyMap<string, ReadonlyArray<number | null>>
}

/** A reader, by all that tells it from another. */
export const keyOfReader = ({ category, kind, reader }: Now["readers"][number] | Told["readers"][number]): string =>
  `${kind} ${reader} ${category}`

export const historyOf = (told: Told | undefined): History => ({
  times: told?.times ?? [],
  ends: told?.ends ?? [],
  ages: new Map(told?.readers.map((reader) => [keyOfReader(reader), reader.ages]))
})

/** The history with one more look, as long as it may be. */
export const joined = ({ ages, ends, times }: History, now: Now, most: number): History => {
  const time = Date.parse(now.time)
  // The server's own memory has it already.
  if (time <= (times.at(-1) ?? 0)) return { ages, ends, times }
  const drop = Math.max(0, times.length + 1 - most)
  return {
    times: [...times.slice(drop), time],
    ends: [...ends.slice(drop), now.end],
    ages: new Map(now.readers.map((reader) => {
      const key = keyOfReader(reader)
      const before = ages.get(key) ?? times.map(() => null)
      return [key, [...before.slice(drop), reader.lag.age]]
    }))
  }
}

/** How many positions were taken a second between the looks. A longer time without a look is a gap. */
export const ratesOf = ({ ends, times }: History): ReadonlyArray<number | null> =>
  times.map((time, index) => {
    const [before, from] = [times[index - 1], ends[index - 1]]
    if (before === undefined || from === undefined || time - before > 10_000) return null
    return 1_000 * Math.max(0, (ends[index] ?? from) - from) / Math.max(1, time - before)
  })
