import type * as Schema from "effect/Schema"

/** The last escape in a key: after it come only plain characters, then the quote and the colon. */
const escapedKey = /\\.[^"\\]*"\s*:/s

/** The start of a token of JSON, after white space: a quote, a punctuation mark, or a whole number or word. */
const token = /\s*("|[[\]{},:]|[^\s[\]{},:"]+)/y

/** An array or object that is being read. */
interface Open {
  /** The name under which it goes into what it is in. */
  readonly name: string
  readonly isObject: boolean
  readonly entries: Array<[name: string, value: Schema.Json]>
}

/** Where the string ends that starts at an index: after its closing quote. */
const endOfString = (text: string, start: number): number => {
  let end = start
  let escapes = 0
  do {
    end = text.indexOf("\"", end + 1)
    escapes = 0
    while (text[end - 1 - escapes] === "\\") escapes++
  } while (escapes % 2 === 1)
  return end + 1
}

/** The tokens of valid JSON. */
function* tokens(text: string): Generator<string> {
  let index = 0
  while (index < text.length) {
    token.lastIndex = index
    const start = token.exec(text)?.[1]
    if (start === undefined) return
    index = token.lastIndex
    if (start === "\"") {
      const end = endOfString(text, index - 1)
      yield text.slice(index - 1, end)
      index = end
    } else yield start
  }
}

const closed = ({ entries, isObject }: Open): Schema.Json =>
  isObject ? Object.fromEntries(entries) : entries.map(([, value]) => value)

/** The significant digits of a number and its exponent: numbers of the same value have the same. */
const canonical = (text: string): string => {
  const [, whole = "", fraction = "", exponent = "0"] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = whole + fraction
  let start = 0
  while (digits[start] === "0") start++
  if (start === digits.length) return "0"
  let end = digits.length
  while (digits[end - 1] === "0") end--
  return `${digits.slice(start, end)}e${Number(exponent) - fraction.length + (digits.length - end)}`
}

/** The value of a token that is no punctuation mark: of a number that another one would replace, its text. */
const exactValue = (part: string): Schema.Json => {
  const value: Schema.Json = JSON.parse(part)
  return typeof value !== "number" || canonical(part) === canonical(String(value)) ? value : part
}

/** Parses valid JSON, its keys and its plain values one by one, without recursion: JSON may be deeper than the call stack. */
const parseInParts = (text: string, valueOf: (part: string) => Schema.Json = JSON.parse): Schema.Json => {
  const root: Open = { name: "", isObject: false, entries: [] }
  const open = [root]
  let innermost = root
  let name = ""
  let isKey = false
  for (const part of tokens(text)) {
    if (part === "{" || part === "[") {
      innermost = { name, isObject: part === "{", entries: [] }
      open.push(innermost)
      isKey = innermost.isObject
    } else if (part === "}" || part === "]") {
      const value = closed(innermost)
      open.pop()
      const outer = open.at(-1) ?? root
      outer.entries.push([innermost.name, value])
      innermost = outer
    } else if (part === ",") {
      isKey = innermost.isObject
    } else if (part === ":") {
      isKey = false
    } else if (isKey) {
      name = JSON.parse(part)
    } else {
      innermost.entries.push([name, valueOf(part)])
    }
  }
  return root.entries[0]?.[1] ?? null
}

/**
 * Parses a text that a store has written as JSON.
 *
 * `JSON.parse` of V8 12.8 and later (Node 23 to 26, https://github.com/nodejs/node/issues/63785) gives some keys with escapes
 * another name, depending on what it has parsed before: it takes the name of an earlier key for them when their text begins
 * with it. Texts with such keys, which are few, are parsed in parts.
 */
export const parseJson = (text: string): Schema.Json =>
  text.includes("\\") && escapedKey.test(text) ? parseInParts(text) : JSON.parse(text)

/** What a number may have that is not exact: more than 15 digits, or an exponent. */
const longNumber = /[\d.]{16}|\d[eE][+-]?\d/

/**
 * Parses a text that a store has written as JSON, and gives each number that a JavaScript number would change as its text.
 * Texts with numbers that may be such, which are few, are parsed in parts.
 */
export const parseExactJson = (text: string): Schema.Json =>
  longNumber.test(text) ? parseInParts(text, exactValue) : parseJson(text)
