import { compare, type Difference, formByClass } from "./compare.ts"
import { nameOf, showRefusal } from "./format.ts"

const isClass = (value: unknown): value is abstract new() => unknown =>
  // The prototype of other functions can be replaced, or they have none.
  typeof value === "function" && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false

const isPredicate = (value: unknown): value is (error: unknown) => boolean => typeof value === "function"

const unless = (isMet: boolean): Difference | undefined => isMet ? undefined : { remark: "" }

/** Compares an error with the expected one: it has the same fields, is of the class, or satisfies the predicate. */
export const compareError = (error: unknown, wanted: unknown): Difference | undefined => {
  if (isClass(wanted)) return unless(error instanceof wanted)
  return isPredicate(wanted) ? unless(wanted(error)) : compare(error, wanted, { form: formByClass })
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
