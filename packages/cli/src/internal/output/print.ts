/**
 * Prints answers: rows and single records, in the form that fits where they go.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { UsageError } from "../failures/errors.ts"
import { type Column, forProgram, forTerminal } from "./cells.ts"
import { type Format, Json, Output } from "./settings.ts"
import * as Table from "./table.ts"
import { isTerminal, print, shown, styles, tell, write } from "./terminal.ts"

/** What every command that prints needs. */
export type Printing = Stdio.Stdio | Terminal.Terminal | typeof Output.Identifier | typeof Json.Identifier

/** What printing can fail with. */
export type PrintError = PlatformError | UsageError

/** How the rows of an answer are printed. */
export interface RowsOptions<A> {
  /** Their JSON form, which is that of the library. */
  readonly schema: Schema.Codec<A, unknown>
  /** The columns of the table. */
  readonly columns: ReadonlyArray<Column<A>>
  /** What a person reads when there is no row, such as `nothing is parked`. */
  readonly none: string
  /** What a person reads in a line of its own below a row, which is not cut. Defaults to nothing. */
  readonly note?: ((row: A) => Option.Option<string>) | undefined
  /** Whether rows come one by one over time: each is printed when it comes. Defaults to false. */
  readonly isLive?: boolean | undefined
}

/** The form in which this command prints. */
export const format: Effect.Effect<Format, UsageError, Printing> = Effect.gen(function*() {
  const [asked, json] = [yield* Output, yield* Json]
  if (Option.isSome(asked)) {
    if (json && asked.value !== "ndjson") {
      return yield* new UsageError({
        message: `--json is short for -o ndjson, and -o is ${asked.value}: leave one out`
      })
    }
    return asked.value
  }
  return json || !(yield* isTerminal) ? "ndjson" : "table"
})

/** Whether a person reads a table. */
export const isTable: Effect.Effect<boolean, UsageError, Printing> = Effect.map(format, (one) => one === "table")

/** The JSON text of a value, by the JSON form of its schema. */
const jsonText = <A>(schema: Schema.Codec<A, unknown>, space?: number): (value: A) => Effect.Effect<string> => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(schema))
  // The value is one of the library's: that it fits its schema is no question of input.
  return (value: A) => Effect.map(Effect.orDie(encode(value)), (json) => JSON.stringify(json, undefined, space))
}

const csvField = (text: string): string => /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text

const csvLine = (fields: ReadonlyArray<string>): string => `${fields.map(csvField).join()}\r\n`

/** The title of a column as the name of a field. */
const fieldName = (title: string): string => title.replaceAll(" ", "_")

/** How many rows of a table are laid out at once. A longer table keeps the widths of its first rows. */
const laidOut = 200

/** The lines of a table. */
const tableOf = <A, E, R>(rows: Stream.Stream<A, E, R>, { columns, isLive = false, none, note }: RowsOptions<A>) =>
  Stream.unwrap(Effect.gen(function*() {
    const width = yield* (yield* Terminal.Terminal).columns
    const { bold, dim } = yield* styles
    let layout: Table.Layout | undefined
    const chunks: Stream.Stream<ReadonlyArray<A>, E, R> = isLive
      ? Stream.map(rows, (row) => [row])
      : Stream.grouped(rows, laidOut)
    const lines = Stream.map(chunks, (chunk) => {
      const head = layout === undefined ? columns.map(({ title }) => title) : undefined
      const laid = layout ??= Table.layoutOf(columns, chunk, width)
      const body = chunk.flatMap((row) => [
        `${Table.lineOf(laid, Table.textsOf(columns, row))}\n`,
        ...Option.match(note?.(row) ?? Option.none(), {
          onNone: () => [],
          onSome: (text) => [`    ${dim(shown(text))}\n`]
        })
      ])
      return [...(head === undefined ? [] : [`${bold(Table.lineOf(laid, head))}\n`]), ...body].join("")
    })
    const whenEmpty = Stream.suspend(() => layout === undefined ? Stream.fromEffectDrain(tell(none)) : Stream.empty)
    return Stream.concat(lines, whenEmpty)
  }))

const jsonArrayOf = <A, E, R>(rows: Stream.Stream<A, E, R>, schema: Schema.Codec<A, unknown>) => {
  let isFirst = true
  const texts = Stream.map(Stream.mapEffect(rows, jsonText(schema, 2)), (text) => {
    const before = isFirst ? "[\n" : ",\n"
    isFirst = false
    return before + text.replace(/^/gm, "  ")
  })
  return Stream.concat(texts, Stream.suspend(() => Stream.make(isFirst ? "[]\n" : "\n]\n")))
}

/** Prints rows while they come, in bounded memory. */
export const rows = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
  options: RowsOptions<A>
): Effect.Effect<void, E | PrintError, R | Printing> =>
  Effect.flatMap(format, (format): Effect.Effect<void, E | PrintError, R | Printing> => {
    const { columns, schema } = options
    switch (format) {
      case "table":
        return write(tableOf(stream, options))
      case "ndjson":
        return write(Stream.map(Stream.mapEffect(stream, jsonText(schema)), (text) => `${text}\n`))
      case "json":
        return write(jsonArrayOf(stream, schema))
      case "csv":
        return write(Stream.concat(
          Stream.make(csvLine(columns.map(({ title }) => fieldName(title)))),
          Stream.map(stream, (row) => csvLine(columns.map(({ cell }) => forProgram(cell(row)))))
        ))
    }
  })

/** Prints rows that are all there. */
export const list = <A>(all: ReadonlyArray<A>, options: RowsOptions<A>): Effect.Effect<void, PrintError, Printing> =>
  rows(Stream.fromIterable(all), options)

/** Prints one record: on a terminal a line for each of its fields. */
export const record = <A>(
  value: A,
  { columns, schema }: Pick<RowsOptions<A>, "columns" | "schema">
): Effect.Effect<void, PrintError, Printing> =>
  Effect.gen(function*() {
    const form = yield* format
    if (form === "csv") return yield* list([value], { columns, schema, none: "" })
    if (form !== "table") return yield* print(yield* jsonText(schema, form === "json" ? 2 : undefined)(value))
    const { dim } = yield* styles
    const width = Math.max(...columns.map(({ title }) => title.length))
    yield* print(
      columns.map(({ cell, title }) => `${dim(title.padEnd(width))}  ${forTerminal(cell(value))}`.trimEnd()).join("\n")
    )
  })

/** What an action has done, for a person; a program reads the record. */
export const done = <A>(
  message: string,
  value: A,
  schema: Schema.Codec<A, unknown>
): Effect.Effect<void, PrintError, Printing> =>
  Effect.flatMap(format, (form) =>
    form === "table"
      ? print(message.split("\n").map(shown).join("\n"))
      : Effect.flatMap(jsonText(schema, form === "json" ? 2 : undefined)(value), print))
