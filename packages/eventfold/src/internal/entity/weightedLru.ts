/** Something that is kept until room is needed, or until it has been idle for the time to live. */
export interface Entry {
  /** Takes the entry out of the index that it was found in. */
  readonly forget: () => void
  weight: number
  /** In milliseconds. */
  usedAt: number
}

/**
 * Entries in the order in which they were last used, with a limit to the sum of their weights. Pure of clocks and effects:
 * the caller says what time it is.
 */
export interface WeightedLru {
  readonly size: () => number
  /** Makes an entry the one that was used last, and adds it if it is new. */
  readonly touch: (entry: Entry, now: number) => void
  /**
   * Gives an entry its weight, then removes the least recently used entries, this one included, until the rest fits. An
   * entry that has been removed meanwhile stays out. A weight that is not a number from 0 counts as 1.
   */
  readonly weigh: (entry: Entry, weight: number) => void
  readonly remove: (entry: Entry) => void
  /** Removes the entries that have not been used for the time to live. */
  readonly removeIdle: (now: number) => void
}

/** A capacity that is not a number keeps nothing. */
export const make = (capacity: number, timeToLiveMillis: number): WeightedLru => {
  /** A set iterates in the order of insertion: the least recently used entry comes first. */
  const entries = new Set<Entry>()
  let total = 0

  const remove = (entry: Entry) => {
    if (!entries.delete(entry)) return
    total -= entry.weight
    entry.forget()
  }

  const removeWhile = (isTooMuch: (oldest: Entry) => boolean) => {
    for (const oldest of entries) {
      if (!isTooMuch(oldest)) return
      remove(oldest)
    }
  }

  return {
    size: () => entries.size,
    touch: (entry, now) => {
      if (!entries.delete(entry)) total += entry.weight
      entries.add(entry)
      entry.usedAt = now
    },
    weigh: (entry, weight) => {
      if (entries.has(entry)) {
        const valid = Number.isFinite(weight) && weight >= 0 ? weight : 1
        total += valid - entry.weight
        entry.weight = valid
      }
      // Not `total > capacity`, which would keep everything when the capacity is NaN.
      removeWhile(() => !(total <= capacity))
    },
    remove,
    removeIdle: (now) => removeWhile(({ usedAt }) => now - usedAt >= timeToLiveMillis)
  }
}
