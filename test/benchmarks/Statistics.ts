/**
 * Statistics of repeated measurements.
 */

/** The median, and the bounds of the middle half of the values. */
export interface Quartiles {
  readonly low: number
  readonly median: number
  readonly high: number
}

/** The value at a share of the way from the lowest to the highest, between 0 and 1. */
export const at = (sorted: ReadonlyArray<number>, share: number): number => {
  const index = share * (sorted.length - 1)
  const [below = 0, above = below] = sorted.slice(Math.floor(index), Math.floor(index) + 2)
  return below + (above - below) * (index % 1)
}

export const quartiles = (values: ReadonlyArray<number>): Quartiles => {
  const sorted = values.toSorted((a, b) => a - b)
  return { low: at(sorted, 0.25), median: at(sorted, 0.5), high: at(sorted, 0.75) }
}
