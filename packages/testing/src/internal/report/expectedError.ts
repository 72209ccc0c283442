import * as Equal from "effect/Equal"
import { nameOf, showRefusal } from "./format.ts"

const isClass = (value: unknown): value is abstract new() => unknown =>
  // The prototype of other functions can be replaced, or they have none.
  typeof value === "function" && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false

const isPredicate = (value: unknown): value is (error: unknown) => boolean => typeof value === "function"

/** Whether an error is the expected one: it has the same fields, is of the class, or satisfies the predicate. */
export const isExpectedError = (error: unknown, wanted: unknown): boolean => {
  if (isClass(wanted)) return error instanceof wanted
  return isPredicate(wanted) ? wanted(error) : Equal.equals(error, wanted)
}

/** Whether an error is expected that others can be compared with, not a class or a predicate. */
export const isComparable = (wanted: unknown): boolean => typeof wanted !== "function"

/** The expected error, in a sentence. */
export const showExpectedError = (noun: string, wanted: unknown): string => {
  if (isClass(wanted)) return `the ${noun} ${wanted.name}`
  const article = /^[aeiou]/.test(noun) ? "an" : "a"
  return isPredicate(wanted)
    ? `${article} ${noun} that matches ${nameOf(wanted, "the predicate")}`
    : `the ${noun} ${showRefusal(wanted)}`
}
