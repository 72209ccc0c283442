import type * as Schema from "effect/Schema"

/** Why no store could keep a value, and where in the value. */
export interface JsonProblem {
  readonly path: ReadonlyArray<string | number>
  readonly reason: string
}

/** A cycle has no end, and PostgreSQL's own limit depends on its stack size. */
const maxDepth = 1_000

/** How many bytes the strings of one value may have together: more do not fit into a jsonb. */
export const maxJsonBytes = 2 ** 28 - 1

/** How many bytes the rest of a value may have. */
interface Budget {
  left: number
}

/** The number of bytes of a text in UTF-8. */
const utf8Length = (text: string): number => {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    // Both halves of a surrogate pair have two of its four bytes.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2
  }
  return bytes
}

/** Takes a text from a budget. Short texts count as if they were ASCII: only long ones are worth the look at each character. */
const isOverBudget = (text: string, budget: Budget): boolean => {
  if (text.length > budget.left) return true
  budget.left -= text.length * 4 > budget.left ? utf8Length(text) : text.length
  return budget.left < 0
}

const tooLong = "is too long: PostgreSQL's jsonb holds less than 256 MiB of text"

/** Why PostgreSQL cannot store a text; `undefined` when it can. */
export const textProblem = (text: string): string | undefined => {
  if (text.includes("\u0000")) return "contains a NUL character, which PostgreSQL cannot store"
  if (!text.isWellFormed()) return "contains a lone surrogate, which is not valid Unicode"
  return undefined
}

/** A prototype may lack a constructor, and a class its name. */
const kindOf = ({ constructor }: object): string =>
  typeof constructor === "function" && constructor.name !== ""
    ? `a ${constructor.name}`
    : "an object with a prototype of its own"

const isPlainObject = (value: object): value is { readonly [key: string]: unknown } => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * The first part of a value that `JSON.stringify` would silently change or that PostgreSQL's jsonb would refuse; `undefined`
 * when every store can keep the value as it is. A property that is `undefined` counts as absent.
 */
export const jsonProblem = (value: unknown, maxBytes = maxJsonBytes): JsonProblem | undefined =>
  problemOf(value, { left: maxBytes }, 0)

const problemOf = (value: unknown, budget: Budget, depth: number): JsonProblem | undefined => {
  switch (typeof value) {
    case "string": {
      const reason = isOverBudget(value, budget) ? tooLong : textProblem(value)
      return reason === undefined ? undefined : { path: [], reason }
    }
    case "number":
      return Number.isFinite(value) ? undefined : { path: [], reason: `is ${value}, which JSON does not have` }
    case "boolean":
      return undefined
    case "object":
      return value === null ? undefined : containerProblem(value, budget, depth)
    default:
      return { path: [], reason: `is a ${typeof value}, which JSON does not have` }
  }
}

const containerProblem = (value: object, budget: Budget, depth: number): JsonProblem | undefined => {
  if (depth >= maxDepth) return { path: [], reason: `is nested deeper than ${maxDepth} levels` }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = problemOf(value[i], budget, depth + 1)
      if (problem !== undefined) return { path: [i, ...problem.path], reason: problem.reason }
    }
    return undefined
  }
  if (!isPlainObject(value)) {
    return { path: [], reason: `is ${kindOf(value)}, not a plain object: encode it by a schema first` }
  }
  for (const key of Object.keys(value)) {
    const property = value[key]
    if (property === undefined) continue
    if (isOverBudget(key, budget)) return { path: [key.slice(0, 100)], reason: tooLong }
    const reason = textProblem(key)
    if (reason !== undefined) return { path: [], reason: `has a key that ${reason}` }
    const problem = problemOf(property, budget, depth + 1)
    if (problem !== undefined) return { path: [key, ...problem.path], reason: problem.reason }
  }
  return undefined
}

/** Whether two JSON values are equal, as jsonb's `=` compares them: in objects the order of keys does not count. */
export const jsonEquals = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => jsonEquals(item, b[i]))
  }
  const left = new Map<string, unknown>(Object.entries(a))
  const right = Object.entries(b)
  return left.size === right.length && right.every(([key, value]) => left.has(key) && jsonEquals(left.get(key), value))
}

/** JSON values that are equal by {@link jsonEquals} as one text: the keys of objects are sorted. */
export const canonicalJson = (json: Schema.Json): string =>
  JSON.stringify(
    json,
    (_, value: unknown) =>
      typeof value === "object" && value !== null && isPlainObject(value) ? Object.fromEntries(sorted(value)) : value
  )

const sorted = (object: Readonly<Record<string, unknown>>) =>
  Object.entries(object).toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
