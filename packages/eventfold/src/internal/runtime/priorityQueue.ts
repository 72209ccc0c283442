/** A queue that gives the least value first. */
export interface PriorityQueue<A> {
  readonly push: (value: A) => void
  readonly peek: () => A | undefined
  readonly pop: () => A | undefined
}

/** A binary heap: the two values below the one at `i`, at `2i + 1` and `2i + 2`, are not less than it. */
export const make = <A>(isLess: (a: A, b: A) => boolean): PriorityQueue<A> => {
  const values: Array<A> = []

  const sink = (value: A): void => {
    let at = 0
    while (true) {
      const [left, right] = [values[2 * at + 1], values[2 * at + 2]]
      if (left === undefined) break
      const [child, least] = right !== undefined && isLess(right, left) ? [2 * at + 2, right] : [2 * at + 1, left]
      if (!isLess(least, value)) break
      values[at] = least
      at = child
    }
    values[at] = value
  }

  return {
    push: (value) => {
      let at = values.length
      while (at > 0) {
        const above = (at - 1) >> 1
        const parent = values[above]
        if (parent === undefined || !isLess(value, parent)) break
        values[at] = parent
        at = above
      }
      values[at] = value
    },
    peek: () => values[0],
    pop: () => {
      const least = values[0]
      const last = values.pop()
      if (last !== undefined && values.length > 0) sink(last)
      return least
    }
  }
}
