/**
 * Takes a line of JSON apart without changing a digit: the values of an object as the texts that they are written with.
 */

/** The end of a string that starts at an index: after its closing quote. -1 when it does not end. */
const endOfString = (text: string, start: number): number => {
  let end = start
  while (true) {
    end = text.indexOf("\"", end + 1)
    if (end === -1) return -1
    let escapes = 0
    while (text[end - 1 - escapes] === "\\") escapes++
    if (escapes % 2 === 0) return end + 1
  }
}

/** What matters inside of an object or array: where a string begins, and where a level begins or ends. */
const structure = /["{}[\]]/g

/** The end of an object or array that starts at an index. -1 when it does not end. */
const endOfNested = (text: string, start: number): number => {
  let depth = 0
  let index = start
  while (true) {
    structure.lastIndex = index
    const found = structure.exec(text)
    if (found === null) return -1
    const [mark] = found
    if (mark === "\"") {
      index = endOfString(text, found.index)
      if (index === -1) return -1
      continue
    }
    index = found.index + 1
    depth += mark === "{" || mark === "[" ? 1 : -1
    if (depth === 0) return index
  }
}

const isSpace = (text: string, index: number): boolean => {
  const code = text.charCodeAt(index)
  return code === 32 || code === 9 || code === 13 || code === 10
}

const skipSpace = (text: string, index: number): number => {
  while (isSpace(text, index)) index++
  return index
}

/** What ends a number or a word. */
const plainEnd = /[\s,}\]]|$/g

const endOfValue = (text: string, start: number): number => {
  const first = text[start]
  if (first === "\"") return endOfString(text, start)
  if (first === "{" || first === "[") return endOfNested(text, start)
  plainEnd.lastIndex = start
  const end = plainEnd.exec(text)?.index ?? -1
  return end === start ? -1 : end
}

/**
 * The fields of a JSON object, each with the text of its value; `undefined` when the text is no object. The values are not looked
 * at: each may still be something that is no JSON.
 */
export const rawFields = (text: string): ReadonlyMap<string, string> | undefined => {
  const fields = new Map<string, string>()
  let index = skipSpace(text, 0)
  if (text[index] !== "{") return undefined
  index = skipSpace(text, index + 1)
  if (text[index] === "}") return skipSpace(text, index + 1) === text.length ? fields : undefined
  while (true) {
    if (text[index] !== "\"") return undefined
    const endOfName = endOfString(text, index)
    if (endOfName === -1) return undefined
    // The names of an archive have no escapes, so that this is the name.
    const name = text.slice(index + 1, endOfName - 1)
    index = skipSpace(text, endOfName)
    if (text[index] !== ":") return undefined
    index = skipSpace(text, index + 1)
    const end = endOfValue(text, index)
    if (end === -1) return undefined
    fields.set(name, text.slice(index, end))
    index = skipSpace(text, end)
    if (text[index] === "}") return skipSpace(text, index + 1) === text.length ? fields : undefined
    if (text[index] !== ",") return undefined
    index = skipSpace(text, index + 1)
  }
}
