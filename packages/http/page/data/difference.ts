/**
 * What differs between two values of JSON, part by part.
 */
import { Exact, isObject, type Value } from "./exact.ts"

export interface Change {
  readonly path: ReadonlyArray<string | number>
  /** Absent where the part was added. */
  readonly before?: Value
  /** Absent where the part was taken away. */
  readonly after?: Value
}

const isSame = (a: Value, b: Value): boolean => {
  if (a === b) return true
  if (a instanceof Exact || b instanceof Exact) return a instanceof Exact && b instanceof Exact && a.source === b.source
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((one: Value, index) => isSame(one, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key] ?? null, b[key] ?? null))
}

/** Lists mostly grow or shrink at one place: what is the same at both ends is left out, and the rest is held against one another. */
const listChanges = (
  before: ReadonlyArray<Value>,
  after: ReadonlyArray<Value>,
  path: Change["path"]
): ReadonlyArray<Change> => {
  const least = Math.min(before.length, after.length)
  let start = 0
  while (start < least && isSame(before[start] ?? null, after[start] ?? null)) start++
  let end = 0
  while (end < least - start && isSame(before.at(-1 - end) ?? null, after.at(-1 - end) ?? null)) end++
  const [old, young] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  return Array.from({ length: Math.max(old.length, young.length) }, (_, index) => index).flatMap((index) => {
    const at = [...path, start + index]
    const [one, other] = [old[index], young[index]]
    if (one === undefined) return other === undefined ? [] : [{ path: at, after: other }]
    return other === undefined ? [{ path: at, before: one }] : changesOf(one, other, at)
  })
}

/** The parts that differ, in the order of the value after. */
export const changesOf = (before: Value, after: Value, path: Change["path"] = []): ReadonlyArray<Change> => {
  if (isSame(before, after)) return []
  if (Array.isArray(before) && Array.isArray(after)) return listChanges(before, after, path)
  if (!isObject(before) || !isObject(after)) return [{ path, before, after }]
  const keys = [...new Set([...Object.keys(after), ...Object.keys(before)])]
  return keys.flatMap((key): ReadonlyArray<Change> => {
    const at = [...path, key]
    const [old, young] = [
      Object.hasOwn(before, key) ? before[key] : undefined,
      Object.hasOwn(after, key) ? after[key] : undefined
    ]
    if (old === undefined) return young === undefined ? [] : [{ path: at, after: young }]
    return young === undefined ? [{ path: at, before: old }] : changesOf(old, young, at)
  })
}
