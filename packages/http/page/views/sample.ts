/**
 * The messages of a live tail: those that are shown, and how many were left out. A screen is not faster than a person, so at more than
 * 200 a second it has a sample.
 */

/** The most that are shown in a second. */
export const perSecond = 200

/** The most that are kept: a page of a thousand rows scrolls well. */
export const kept = 500

export interface Tail<M> {
  readonly messages: ReadonlyArray<M>
  /** How many came in all. */
  readonly seen: number
  /** Of how many that came since the sample was taken last one was shown; 1 when all were. */
  readonly oneIn: number
}

export const empty: Tail<never> = { messages: [], seen: 0, oneIn: 1 }

/** At most so many of a list, evenly, and always the last one. */
export const sampled = <M>(all: ReadonlyArray<M>, most: number): ReadonlyArray<M> => {
  if (all.length <= most) return all
  const step = all.length / most
  return Array.from({ length: most }, (_, index) => all[Math.min(all.length - 1, Math.ceil((index + 1) * step) - 1)])
    .filter(
      (one) => one !== undefined
    )
}

/** Adds what came within some milliseconds. */
export const add = <M>(tail: Tail<M>, came: ReadonlyArray<M>, milliseconds: number): Tail<M> => {
  const most = Math.max(1, Math.floor(perSecond * Math.max(milliseconds, 100) / 1_000))
  const shown = sampled(came, most)
  return {
    messages: [...tail.messages, ...shown].slice(-kept),
    seen: tail.seen + came.length,
    oneIn: came.length === 0 ? 1 : Math.round(came.length / shown.length)
  }
}
