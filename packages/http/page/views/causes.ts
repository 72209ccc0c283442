/**
 * The messages of a correlation as a tree of causes and effects, with the times between them.
 */
import type { Answer } from "../data/api.ts"
import { duration } from "../data/durations.ts"

export type Traced = Answer<"GET", "/correlations/:streamName">["messages"][number]

export interface Node {
  readonly message: Traced["message"]
  /** Its cause, where that is one of the messages. */
  readonly cause: Traced["message"] | undefined
  /** How many causes lead to it. */
  readonly depth: number
  /** The time since its cause in milliseconds; nothing without one, or when the clocks of the two differ. */
  readonly wait: number | undefined
  /** Whether it has an earlier time than its cause. */
  readonly clockDiffers: boolean
}

/** In the order in which one reads it: each message before its effects, and these by their positions. */
export const tree = (traced: ReadonlyArray<Traced>): ReadonlyArray<Node> => {
  const byPosition = new Map(traced.map((one) => [one.message.globalPosition, one]))
  const effects = new Map<number, Array<Traced>>()
  const roots: Array<Traced> = []
  for (const one of traced) {
    const cause = one.cause?.globalPosition
    // A cause is before its effect, so there is no circle.
    if (cause === undefined || cause >= one.message.globalPosition || !byPosition.has(cause)) roots.push(one)
    else effects.set(cause, [...effects.get(cause) ?? [], one])
  }
  const nodes: Array<Node> = []
  const rest = roots.toReversed().map((one) => ({ one, cause: undefined as Traced["message"] | undefined, depth: 0 }))
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { cause, depth, one: { message } } = next
    const wait = cause === undefined ? undefined : Date.parse(message.time) - Date.parse(cause.time)
    const clockDiffers = wait !== undefined && wait < 0
    nodes.push({ message, cause, depth, clockDiffers, wait: clockDiffers ? undefined : wait })
    for (const one of (effects.get(message.globalPosition) ?? []).toReversed()) {
      rest.push({ one, cause: message, depth: depth + 1 })
    }
  }
  return nodes
}

/** The time from the first to the last message, and when the first one was. */
export const spanOf = (nodes: ReadonlyArray<Node>): { readonly start: number; readonly length: number } => {
  const times = nodes.map(({ message: { time } }) => Date.parse(time))
  const start = Math.min(...times)
  return { start, length: Math.max(...times) - start }
}

/** The wait as one reads it. */
export const waitOf = ({ clockDiffers, wait }: Node): string =>
  clockDiffers ? "clock?" : wait === undefined ? "" : `+ ${duration(wait)}`
