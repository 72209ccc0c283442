/**
 * The messages of a live tail: those that are shown, and how many were left out. A screen is not faster than a person, so at more than
 * 200 a second it has a sample.
 */

/** The most that are shown in a second. */
export const perSecond = 200

/** The most that are kept: a page of a thousand rows scrolls well. */
export const kept = 500

/** How long it is said that there is a sample, after the last messages that were left out. */
const saidFor = 2_000

export interface Tail<M> {
  readonly messages: ReadonlyArray<M>
  /** How many came in all. */
  readonly seen: number
  /** How many may be shown at once: what a second allows, less what was shown in it. */
  readonly allowance: number
  /** Of how many that came one was shown when some were left out last; 1 when that is a while ago. */
  readonly oneIn: number
  /** For how many milliseconds that is still said. */
  readonly saidFor: number
}

export const empty: Tail<never> = { messages: [], seen: 0, allowance: perSecond, oneIn: 1, saidFor: 0 }

/** At most so many of a list, evenly, and always the last one. */
export const sampled = <M>(all: ReadonlyArray<M>, most: number): ReadonlyArray<M> => {
  if (all.length <= most) return all
  const step = all.length / most
  return Array.from({ length: most }, (_, index) => all[Math.min(all.length - 1, Math.ceil((index + 1) * step) - 1)])
    .filter(
      (one) => one !== undefined
    )
}

/** Takes messages without leaving any out but what the newest push away: those at the beginning, and those that have waited. */
export const caughtUp = <M>(tail: Tail<M>, came: ReadonlyArray<M>): Tail<M> =>
  came.length === 0
    ? tail
    : { ...tail, messages: [...tail.messages, ...came].slice(-kept), seen: tail.seen + came.length }

/** Adds what came since the last time, which is some milliseconds ago, where `cut` more came before. */
export const add = <M>(tail: Tail<M>, came: ReadonlyArray<M>, milliseconds: number, cut = 0): Tail<M> => {
  const allowance = Math.min(perSecond, tail.allowance + perSecond * milliseconds / 1_000)
  const left = Math.max(0, tail.saidFor - milliseconds)
  const oneIn = left === 0 ? 1 : tail.oneIn
  if (came.length === 0) {
    const isSame = allowance === tail.allowance && left === tail.saidFor
    return isSame ? tail : { ...tail, allowance, oneIn, saidFor: left }
  }
  // The newest is always there.
  const shown = sampled(came, Math.max(1, Math.floor(allowance)))
  const all = came.length + cut
  const isSample = shown.length < all
  return {
    messages: [...tail.messages, ...shown].slice(-kept),
    seen: tail.seen + all,
    allowance: Math.max(0, allowance - shown.length),
    oneIn: isSample ? Math.max(2, Math.round(all / shown.length)) : oneIn,
    saidFor: isSample ? saidFor : left
  }
}
