import * as Equal from "effect/Equal"
import { nameOf, showRefusal } from "./format.ts"

const isClass = (value: unknown): value is abstract new() => unknown =>
  // Of other functions it can be replaced, or there is none.
  typeof value === "function" && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false

const isPredicate = (value: unknown): value is (refusal: unknown) => boolean => typeof value === "function"

/** Whether an error is the one that is wanted: one with the same fields, one of a class, or one that fits a predicate. */
export const isRefusal = (refusal: unknown, wanted: unknown): boolean => {
  if (isClass(wanted)) return refusal instanceof wanted
  return isPredicate(wanted) ? wanted(refusal) : Equal.equals(refusal, wanted)
}

/** Whether what is wanted is an error, which another one can be compared with. */
export const isComparable = (wanted: unknown): boolean => typeof wanted !== "function"

/** What is wanted, in a sentence. */
export const showWanted = (noun: string, wanted: unknown): string => {
  if (isClass(wanted)) return `the ${noun} ${wanted.name}`
  const article = /^[aeiou]/.test(noun) ? "an" : "a"
  return isPredicate(wanted)
    ? `${article} ${noun} that fits ${nameOf(wanted, "the predicate")}`
    : `the ${noun} ${showRefusal(wanted)}`
}
