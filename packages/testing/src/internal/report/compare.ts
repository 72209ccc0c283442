import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { show } from "./format.ts"

/** Why two values are not the same, to go after them in a sentence. Empty when they show it themselves. */
export interface Difference {
  readonly remark: string
}

/** The JSON form of a value, in a box because it may be undefined; none when the value has none. */
type Form = { readonly json: unknown } | undefined

/** How values are compared. */
export interface Comparison<A = unknown> {
  /** Defaults to `Equal.equals`. */
  readonly equals?: (actual: A, expected: A) => boolean
  /** Gives the JSON form of a value. */
  readonly form?: ((value: unknown) => Form) | undefined
}

const storedForms = new WeakMap<object, Form>()

/** Notes the JSON form in which an event was stored. */
export const withStoredForm = <A extends object>(event: A, json: unknown): A => {
  storedForms.set(event, { json })
  return event
}

/** The JSON form of values by a schema. A schema that can't encode a value at once, and without services, gives it none. */
export const formBy = (schema: Schema.Constraint) => (value: unknown): Form => {
  const codec = schema as Schema.Codec<unknown>
  const encoded = Result.try(() => Schema.encodeUnknownExit(Schema.toCodecJson(codec))(value))
  return Result.isSuccess(encoded) && Exit.isSuccess(encoded.success) ? { json: encoded.success.value } : undefined
}

/** The JSON form of an error whose class is a schema. */
export const formByClass = (value: unknown): Form => {
  const schema = classOf(value)
  return Schema.isSchema(schema) ? formBy(schema)(value) : undefined
}

const classOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, "constructor") : undefined

const isBuiltIn = (value: object): boolean =>
  Array.isArray(value) || value instanceof Date || value instanceof RegExp || value instanceof Map ||
  value instanceof Set ||
  value instanceof ArrayBuffer || ArrayBuffer.isView(value)

/**
 * Whether `Equal` compares all that an object is. Of instances of other classes it compares the keys, and sees no private fields. Those of
 * errors are left alone: what counts of an error are its fields, and its JSON form may have a stack.
 */
const isTransparent = (value: object): boolean => {
  const prototype: object | null = Object.getPrototypeOf(value)
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null
  return isPlain || Equal.isEqual(value) || isBuiltIn(value) || value instanceof Error ||
    Schema.isSchema(classOf(value))
}

/** Classes of the platform that hide what they hold, and whose text tells it. */
const tellingTags = /^(URL|URLSearchParams|Temporal\..*)$/

/** A part of a value that `Equal` may not see. */
type Part =
  | { readonly _tag: "Form"; readonly json: unknown }
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Instance"; readonly instance: object }

const childrenOf = (value: object): ReadonlyArray<unknown> => {
  if (value instanceof Map) return Array.from(value).flat()
  if (value instanceof Set) return Array.from(value)
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return []
  return Reflect.ownKeys(value).map((key) => Object.getOwnPropertyDescriptor(value, key)?.value)
}

const ownPartsOf = (value: object): ReadonlyArray<Part> => {
  if (isTransparent(value)) return []
  const tag: unknown = Reflect.get(value, Symbol.toStringTag)
  return tellingTags.test(String(tag))
    ? [{ _tag: "Text", text: String(value) }]
    : [{ _tag: "Instance", instance: value }]
}

/** In place of parts with instances, the JSON form that tells these apart, if there is one. */
const orForm = (parts: ReadonlyArray<Part>, form: () => Form): ReadonlyArray<Part> => {
  const found = parts.some(({ _tag }) => _tag === "Instance") ? form() : undefined
  return found === undefined ? parts : [{ _tag: "Form", json: found.json }]
}

/** The parts of a value that `Equal` may not see, in the order of its keys, elements and entries. */
const partsOf = (root: unknown, form: Comparison["form"]): ReadonlyArray<Part> => {
  const path = new Set<object>()
  const visit = (value: unknown): ReadonlyArray<Part> => {
    if (typeof value !== "object" || value === null || path.has(value)) return []
    path.add(value)
    const parts = [...ownPartsOf(value), ...childrenOf(value).flatMap(visit)]
    path.delete(value)
    return orForm(parts, () => storedForms.get(value))
  }
  return orForm(visit(root), () => form?.(root))
}

/** Whether an instance has keys, by which `Equal` has compared it. */
const hasKeys = (instance: object): boolean => Reflect.ownKeys(instance).length > 0

const nameOfClass = (instance: object): string => {
  const { name } = Object(classOf(instance)) as { readonly name?: unknown }
  return typeof name === "string" && name !== "" ? name : "its class"
}

const differenceOf = (actual: Part | undefined, expected: Part | undefined): Difference | undefined => {
  if (actual?._tag === "Form" && expected?._tag === "Form") {
    return Equal.equals(actual.json, expected.json)
      ? undefined
      : { remark: `: encoded, ${show(actual.json)} instead of ${show(expected.json)}` }
  }
  if (actual?._tag === "Text" && expected?._tag === "Text") {
    return actual.text === expected.text ? undefined : { remark: `: ${actual.text} instead of ${expected.text}` }
  }
  if (actual?._tag === "Instance" && expected?._tag === "Instance") {
    if (actual.instance === expected.instance || hasKeys(actual.instance)) return undefined
    return { remark: `, with another instance of ${nameOfClass(actual.instance)}, which shows nothing to compare` }
  }
  return { remark: "" }
}

/**
 * Compares what came with what is expected: by `Equal`, and where that may not see what is in an instance of a class, by the JSON
 * form. Without one, an instance that has no keys is the same as itself only: `Equal` takes any two of its class for equal.
 */
export const compare = <A>(
  actual: A,
  expected: A,
  { equals = Equal.equals, form }: Comparison<A> = {}
): Difference | undefined => {
  if (!equals(actual, expected)) return { remark: "" }
  const [parts, wanted] = [partsOf(actual, form), partsOf(expected, form)]
  for (let i = 0; i < Math.max(parts.length, wanted.length); i++) {
    const difference = differenceOf(parts[i], wanted[i])
    if (difference !== undefined) return difference
  }
  return undefined
}
