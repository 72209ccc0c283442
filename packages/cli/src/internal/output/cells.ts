/**
 * The cells of tables: values as a person or a program for tables reads them.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { shown } from "./terminal.ts"

/** A value in a cell. JSON that is neither a text nor a number is shown as its text. */
export type Value = Schema.Json | undefined | DateTime.Utc | Duration.Duration

/** What a column takes of a row. */
export type Cell = Value | Option.Option<Value>

/** A column of a table. */
export interface Column<A> {
  readonly title: string
  readonly cell: (row: A) => Cell
  /** Whether the column gives way when the terminal is narrow. At most one of a table. */
  readonly isWide?: boolean | undefined
}

const two = (value: number): string => String(value).padStart(2, "0")

/** A time in the zone of this machine, to the millisecond. */
export const localTime = (time: DateTime.Utc): string => {
  const date = DateTime.toDateUtc(time)
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`
}

const valueOf = (cell: Cell): Value => Option.isOption(cell) ? Option.getOrUndefined(cell) : cell

const isTime = (value: Value): value is DateTime.Utc => DateTime.isDateTime(value)

/** A duration with its two largest units: enough to judge a lag by. */
export const shortDuration = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  return millis < 1_000
    ? `${Math.round(millis)}ms`
    : Duration.format(Duration.seconds(Math.round(millis / 1_000))).split(" ").slice(0, 2).join(" ")
}

/** How many there are, as a person reads it: 1 message, 2,000 messages. */
export const inWords = (count: number, one: string): string =>
  `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`

/** A cell on a terminal. */
export const forTerminal = (cell: Cell): string => {
  const value = valueOf(cell)
  if (value === undefined || value === null) return ""
  if (isTime(value)) return localTime(value)
  if (Duration.isDuration(value)) return shortDuration(value)
  if (typeof value === "number") return value.toLocaleString("en-US")
  if (typeof value === "boolean") return value ? "yes" : "no"
  return shown(typeof value === "string" ? value : JSON.stringify(value))
}

/** A cell for a program: times in ISO 8601, durations in milliseconds. */
export const forProgram = (cell: Cell): string => {
  const value = valueOf(cell)
  if (value === undefined || value === null) return ""
  if (isTime(value)) return DateTime.formatIso(value)
  if (Duration.isDuration(value)) return String(Duration.toMillis(value))
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** Whether a column reads better when its digits stand below one another. */
export const isNumeric = (cell: Cell): boolean => {
  const value = valueOf(cell)
  return typeof value === "number" || Duration.isDuration(value)
}
