/**
 * JSON with numbers exactly as they are written. A number that JavaScript would write in another way, such as an integer above
 * 9,007,199,254,740,991, stays the text that it is.
 */

/** A number that JavaScript can't write as it was written. */
export class Exact {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** What JSON text says. */
export type Value = string | number | boolean | null | Exact | ReadonlyArray<Value> | { readonly [key: string]: Value }

/** Reads JSON text. */
export const parse = (text: string): unknown =>
  JSON.parse(
    text,
    // Browsers since 2025 tell how a number is written; in older ones it is as exact as JavaScript's.
    (_, value: unknown, context?: { readonly source?: string }): unknown =>
      typeof value === "number" && context?.source !== undefined && String(value) !== context.source
        ? new Exact(context.source)
        : value
  )

/** Whether a value is an object of JSON. */
export const isObject = (value: Value): value is { readonly [key: string]: Value } =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Exact)

/** A field of an object of JSON; nothing where there is none. */
export const field = (value: Value, name: string): Value | undefined =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined

/** Writes a value as JSON text. */
export const write = (value: Value, indent = 0, depth = 0): string => {
  if (value instanceof Exact) return value.source
  const [line, end] = indent === 0
    ? ["", ""]
    : [`\n${" ".repeat(indent * (depth + 1))}`, `\n${" ".repeat(indent * depth)}`]
  const after = indent === 0 ? "," : `,${line}`
  if (Array.isArray(value)) {
    return value.length === 0
      ? "[]"
      : `[${line}${value.map((one: Value) => write(one, indent, depth + 1)).join(after)}${end}]`
  }
  if (isObject(value)) {
    const parts = Object.entries(value).map(
      ([key, one]) => `${JSON.stringify(key)}:${indent === 0 ? "" : " "}${write(one, indent, depth + 1)}`
    )
    return parts.length === 0 ? "{}" : `{${line}${parts.join(after)}${end}}`
  }
  return JSON.stringify(value)
}

/** Writes the beginning of a value as JSON text on one line. What is long is not written to its end, however long it is. */
export const writeStart = (value: Value, most: number): string => {
  let text = ""
  const add = (part: string): boolean => {
    text += part
    return text.length <= most
  }
  const addAll = <A>(all: Iterable<A>, visit: (one: A) => boolean): boolean => {
    let isFirst = true
    for (const one of all) {
      if (!(isFirst || add(",")) || !visit(one)) return false
      isFirst = false
    }
    return true
  }
  const visit = (one: Value): boolean => {
    if (typeof one === "string") return add(JSON.stringify(one.slice(0, most + 1)))
    if (Array.isArray(one)) return add("[") && addAll<Value>(one, visit) && add("]")
    if (!isObject(one)) return add(write(one))
    const member = (key: string) => add(`${JSON.stringify(key.slice(0, most + 1))}:`) && visit(one[key] ?? null)
    return add("{") && addAll(Object.keys(one), member) && add("}")
  }
  visit(value)
  return text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text
}

/** Whether a value has at most so many parts, with those inside of them. */
export const isSmall = (value: Value, most: number): boolean => {
  let left = most
  const visit = (one: Value): boolean => {
    left -= 1
    if (left < 0) return false
    if (Array.isArray(one)) return one.length <= left && one.every(visit)
    return !isObject(one) || Object.values(one).every(visit)
  }
  return visit(value)
}
