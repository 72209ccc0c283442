/**
 * Any value as JSON of a bounded size, for reports of failures: what is too long, too deep or not JSON is replaced by words
 * that say so. `Redacted` values stay redacted. Nothing here throws, whatever a value's getters do.
 */
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** How many characters may still be written. One budget goes through all parts of a report. */
export interface Budget {
  left: number
}

const maxText = 1_000

const maxEntries = 100

const maxDepth = 8

/** A value with more parts than this is not given to its schema: that would encode all of them. */
const maxScanned = 1_000

/** A longer one is not written out: that takes a time that grows faster than its length. */
const maxBigInt = 10n ** BigInt(maxText)

const isLong = (value: bigint): boolean => value >= maxBigInt || value <= -maxBigInt

type JsonObject = { readonly [key: string]: Schema.Json }

/** What a getter, a trap of a proxy or a schema throws has no part in the report of another failure. */
export const orElse = <A, B>(evaluate: () => A, otherwise: B): A | B =>
  Result.getOrElse(Result.try(evaluate), () => otherwise)

const unreadable = "(unreadable)"

/** A text within a budget, without what some store could not keep. */
export const boundedText = (text: string, budget: Budget, max = maxText): string => {
  const length = Math.max(0, Math.min(max, budget.left))
  const short = text.length > length ? `${text.slice(0, length)} (shortened)` : text
  budget.left -= short.length
  return short.toWellFormed().replaceAll("\u0000", "\ufffd")
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

export const propertyOf = (value: object, key: string): unknown =>
  orElse(() => (value as { readonly [key: string]: unknown })[key], undefined)

/** Writes entries until there are too many of them, or the budget is used up. */
const takeEntries = <A>(all: ReadonlyArray<A>, budget: Budget, write: (entry: A) => void): number => {
  let count = 0
  for (const entry of all) {
    if (count >= maxEntries || budget.left <= 0) break
    count += 1
    budget.left -= 2
    write(entry)
  }
  return all.length - count
}

const arrayOf = (values: ReadonlyArray<unknown>, budget: Budget, above: ReadonlyArray<object>): Schema.Json => {
  const items: Array<Schema.Json> = []
  const more = takeEntries(values, budget, (value) => void items.push(jsonOf(value, budget, above)))
  return more > 0 ? [...items, `(${more} more)`] : items
}

const objectOf = (
  keys: ReadonlyArray<string>,
  budget: Budget,
  jsonAt: (key: string) => Schema.Json | undefined
): JsonObject => {
  const entries: Array<readonly [string, Schema.Json]> = []
  const more = takeEntries(keys, budget, (key) => {
    // Before its value, which may use up the budget.
    const name = boundedText(key, budget, 200)
    const json = jsonAt(key)
    if (json !== undefined) entries.push([name, json])
  })
  if (more > 0) entries.push(["(more)", more])
  // Not by assignment: a key may be `__proto__`.
  return Object.fromEntries(entries)
}

const containerOf = (value: object, budget: Budget, before: ReadonlyArray<object>): Schema.Json => {
  if (Redacted.isRedacted(value)) return boundedText(String(value), budget)
  if (before.includes(value)) return "(circular)"
  if (before.length >= maxDepth) return "(nested too deep)"
  const above = [...before, value]
  if (value instanceof Error) return errorOf(value, budget, above)
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
  if (Array.isArray(value)) return arrayOf(value, budget, above)
  if (value instanceof Set || value instanceof Map) {
    return value.size > maxScanned ? `(${value.size} entries)` : arrayOf([...value], budget, above)
  }
  const toJson = propertyOf(value, "toJSON")
  if (typeof toJson === "function") {
    const json: unknown = toJson.call(value)
    if (json !== value) return jsonOf(json, budget, above)
  }
  return objectOf(Object.keys(value), budget, (key) => {
    const property = propertyOf(value, key)
    return property === undefined ? undefined : jsonOf(property, budget, above)
  })
}

/** An error within the fields of another one: its tag or name, its message and its fields. */
const errorOf = (error: Error, budget: Budget, above: ReadonlyArray<object>): Schema.Json => {
  const tag = propertyOf(error, "_tag")
  const cause = propertyOf(error, "cause")
  return {
    ...(typeof tag === "string" ? { _tag: boundedText(tag, budget) } : { name: boundedText(nameOf(error), budget) }),
    message: boundedText(messageOf(error), budget),
    ...fieldsOf(error, budget, above),
    ...(isObject(cause) ? { cause: jsonOf(cause, budget, above) } : {})
  }
}

/** A value as JSON. `above` are the objects that it is in. */
export const jsonOf = (value: unknown, budget: Budget, above: ReadonlyArray<object> = []): Schema.Json => {
  switch (typeof value) {
    case "string":
      return boundedText(value, budget)
    case "number":
      // JSON has no negative zero.
      return Number.isFinite(value) ? value + 0 : String(value)
    case "boolean":
      return value
    case "bigint":
      return isLong(value) ? `(a bigint of more than ${maxText} digits)` : boundedText(String(value), budget)
    case "object":
      return value === null ? null : orElse(() => containerOf(value, budget, above), unreadable)
    case "undefined":
      return null
    case "symbol":
      return boundedText(String(value), budget)
    default:
      return `(a ${typeof value})`
  }
}

export const nameOf = (error: object): string => {
  const name = propertyOf(error, "name")
  return typeof name === "string" && name !== "" ? name : "Error"
}

export const messageOf = (error: object): string => {
  const message = propertyOf(error, "message")
  return typeof message === "string" ? message : ""
}

/** What was thrown, in words. */
export const thrown = (defect: unknown): string => {
  const budget = { left: maxText }
  if (!isObject(defect)) return boundedText(orElse(() => String(defect), unreadable), budget)
  return boundedText(messageOf(defect) || nameOf(defect), budget)
}

/**
 * Whether a schema may encode a value: not when a secret is in it, which the schema would show, nor an error, whose stack the
 * schema may show, nor when it is too large or circular.
 */
const isForSchema = (value: unknown): boolean => {
  const seen = new Set<object>()
  const waiting: Array<unknown> = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === "bigint" && isLong(next)) return false
    if (!isObject(next) || seen.has(next)) continue
    if (Redacted.isRedacted(next) || next instanceof Error) return false
    if (ArrayBuffer.isView(next)) {
      if (next.byteLength > maxScanned) return false
      continue
    }
    seen.add(next)
    const size = Array.isArray(next) ? next.length : next instanceof Set || next instanceof Map ? next.size : 0
    if (seen.size + waiting.length + size > maxScanned) return false
    if (next instanceof Map) waiting.push(...next.keys(), ...next.values())
    if (next instanceof Set) waiting.push(...next)
    for (const key of Object.keys(next)) waiting.push((next as { readonly [key: string]: unknown })[key])
  }
  return true
}

type FieldSchemas = { readonly [key: string]: Schema.Codec<unknown, unknown> }

/** The schemas of an error's fields, when its class is a schema, as those of `Schema.TaggedError` are. */
const schemasOf = (error: object): FieldSchemas => {
  const { constructor } = error
  return Schema.isSchema(constructor) && Predicate.hasProperty(constructor, "fields") && isObject(constructor.fields)
    ? constructor.fields as FieldSchemas
    : {}
}

/** A field in the form of its schema. None when it has no schema, does not fit it, or must not be shown by it. */
const encodedBy = (
  schema: Schema.Codec<unknown, unknown> | undefined,
  value: unknown
): { readonly json: unknown } | undefined => {
  if (!Schema.isSchema(schema) || !isForSchema(value)) return undefined
  const exit = Schema.encodeUnknownExit(Schema.toCodecJson(schema))(value)
  return Exit.isSuccess(exit) ? { json: exit.value } : undefined
}

/** What a report has elsewhere. */
const reported = new Set(["_tag", "message", "stack", "cause"])

/** The fields of an error beside its tag, message and cause, each encoded by its schema where it has one. */
export const fieldsOf = (error: object, budget: Budget, above: ReadonlyArray<object> = [error]): JsonObject =>
  orElse(() => {
    // Their keys are indexes, as many as there are elements: the message says what they are.
    if (ArrayBuffer.isView(error) || Array.isArray(error)) return {}
    const schemas: FieldSchemas = orElse(() => schemasOf(error), {})
    const keys = Object.keys(error).filter((key) => !reported.has(key))
    return objectOf(keys, budget, (key) => {
      const value = propertyOf(error, key)
      if (value === undefined) return undefined
      const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined
      const encoded = orElse(() => encodedBy(schema, value), undefined)
      return encoded === undefined ? jsonOf(value, budget, above) : jsonOf(encoded.json, budget, above)
    })
  }, {})
