/** Something that is kept until room is needed, or until it has been idle for the time to live. */
export interface Entry {
  /** Takes the entry out of the index that it was found in. */
  readonly forget: () => void
  weight: number
  /** In milliseconds. */
  usedAt: number
  /** Where the entry is in the order of use; `undefined` while it is not kept. Only the order changes it. */
  place: Place | undefined
}

/** The neighbours of an entry in the order of use. */
interface Place {
  older: Entry | undefined
  newer: Entry | undefined
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
  // A list and not a Set, whose iterator walks over all that was deleted before its first element.
  let oldest: Entry | undefined
  let newest: Entry | undefined
  let size = 0
  let total = 0

  /** Adds an entry after the newest one. */
  const link = (entry: Entry) => {
    entry.place = { older: newest, newer: undefined }
    if (newest?.place === undefined) oldest = entry
    else newest.place.newer = entry
    newest = entry
    size += 1
  }

  const unlink = (entry: Entry, { newer, older }: Place) => {
    if (older?.place === undefined) oldest = newer
    else older.place.newer = newer
    if (newer?.place === undefined) newest = older
    else newer.place.older = older
    entry.place = undefined
    size -= 1
  }

  const remove = (entry: Entry) => {
    if (entry.place === undefined) return
    unlink(entry, entry.place)
    total -= entry.weight
    entry.forget()
  }

  const removeWhile = (isTooMuch: (oldest: Entry) => boolean) => {
    for (let next = oldest; next !== undefined && isTooMuch(next); next = oldest) remove(next)
  }

  return {
    size: () => size,
    touch: (entry, now) => {
      if (entry.place === undefined) total += entry.weight
      else unlink(entry, entry.place)
      link(entry)
      entry.usedAt = now
    },
    weigh: (entry, weight) => {
      if (entry.place !== undefined) {
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
