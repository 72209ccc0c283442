import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"

/** What failure messages compare and show of an event. */
export interface Shown {
  readonly type: string
  readonly data: unknown
}

/** Lists that are longer show one item a line. */
const lineWidth = 100

/** A value in a sentence. */
export const show = (value: unknown): string => Formatter.format(value)

/** An event in a sentence: `Deposited {"amount":5}`. */
const showEvent = ({ data, type, ...more }: Shown): string => {
  const rest = Object.keys(more).length === 0 ? "" : ` with ${show(more)}`
  return `${type} ${show(data)}${rest}`
}

export const showEvents = (events: ReadonlyArray<Shown>): string => {
  const items = events.map(showEvent)
  const line = `[${items.join(", ")}]`
  return line.length <= lineWidth ? line : `[\n${items.map((item) => `  ${item}`).join(",\n")}\n]`
}

/** Events by the names of their streams, or of their entities. */
export type ShownByName = Readonly<Record<string, ReadonlyArray<Shown>>>

/** Words and a text for each name: `given account-123 [Opened {}]`. Several take a line each. */
export const showByName = (words: string, texts: Readonly<Record<string, string>>): string => {
  const items = Object.entries(texts).map(([name, text]) => `${name} ${text}`)
  const [item = "nothing"] = items
  return items.length > 1
    ? `${words}${items.map((item) => `\n  ${item.replaceAll("\n", "\n  ")}`).join("")}`
    : `${words} ${item}`
}

export const showEventsByName = (words: string, events: ShownByName): string =>
  showByName(words, Object.fromEntries(Object.entries(events).map(([name, events]) => [name, showEvents(events)])))

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

/** The fields of an error without its tag. The message is one of them unless a getter makes it of the others. */
const fieldsOf = (error: object): object => {
  const fields = Object.fromEntries(Object.entries(error).filter(([key]) => key !== "_tag"))
  return error instanceof Error && Object.hasOwn(error, "message") ? { message: error.message, ...fields } : fields
}

/**
 * An error as a plain object with the same fields. In a diff, test runners show only the message of an error, which two
 * different errors may share.
 */
export const plainError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  return { ..."_tag" in error ? { _tag: error._tag } : { name: error.name }, ...fieldsOf(error) }
}

/** A refusal in a sentence, with all its fields: `InsufficientFunds {"balance":5}`. */
export const showRefusal = (refusal: unknown): string => {
  if (!isObject(refusal)) return show(refusal)
  if ("_tag" in refusal) {
    const fields = fieldsOf(refusal)
    return Object.keys(fields).length === 0 ? String(refusal._tag) : `${String(refusal._tag)} ${show(fields)}`
  }
  return refusal instanceof Error ? `${refusal.name}: ${refusal.message}` : show(refusal)
}

/** The name of a function in a sentence, or other words when it has none. */
export const nameOf = (f: { readonly name: string }, otherwise: string): string => f.name === "" ? otherwise : f.name

export const showGiven = (events: ReadonlyArray<Shown>): string =>
  events.length === 0 ? "given no events" : `given the events ${showEvents(events)}`

export const showWhen = (
  decide: { readonly name: string },
  state: unknown,
  version: Option.Option<number>
): string => {
  const stream = Option.match(version, {
    onNone: () => "of a stream that does not exist",
    onSome: (version) => `at version ${version}`
  })
  return `when ${whoDecides(decide)} on the state ${show(state)} ${stream}`
}

export const showAllGiven = (events: ShownByName): string =>
  Object.keys(events).length === 0 ? "given no events" : showEventsByName("given the events", events)

export const showWhenAll = (decide: { readonly name: string }, states: Readonly<Record<string, unknown>>): string =>
  `when ${whoDecides(decide)} on the states ${show(states)}`

/** Who decides, in a sentence. */
const whoDecides = (decide: { readonly name: string }): string =>
  decide.name === "" ? "decided" : `${decide.name} decides`
