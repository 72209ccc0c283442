/**
 * What the commands that show messages share: what a command names, and how messages are printed.
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type RecordedMessage, RecordedMessage as RecordedMessageSchema } from "eventfold/Message"
import * as StreamName from "eventfold/StreamName"
import type { Place } from "eventfold/Tail"
import { UsageError } from "../failures/errors.ts"
import type { Column } from "../output/cells.ts"
import type { RowsOptions } from "../output/print.ts"

/** A stream has an id after a dash, and a category has none. */
export const placeArgument = Argument.String("stream or category").pipe(
  Argument.optional,
  Argument.withDescription("A stream such as account-123, or a category such as account; everything without one")
)

/** What an argument names. */
export const placeOf = (name: Option.Option<string>): Place =>
  Option.match(name, {
    onNone: () => "everything",
    onSome: (name) => StreamName.isCategory(name) ? { category: name } : { stream: name }
  })

/** Types, each by a flag of its own. */
export const typesFlag = Flag.String("type").pipe(
  Flag.withAlias("t"),
  Flag.atLeast(0),
  Flag.withDescription("Only messages of this type; may be repeated")
)

/** No types are all types. */
export const typesOf = (types: ReadonlyArray<string>): ReadonlyArray<string> | undefined =>
  types.length === 0 ? undefined : types

/** The columns of a message. */
export const messageColumns: ReadonlyArray<Column<RecordedMessage>> = [
  { title: "global position", cell: ({ globalPosition }) => globalPosition },
  { title: "stream", cell: ({ streamName }) => streamName },
  { title: "position", cell: ({ position }) => position },
  { title: "time", cell: ({ time }) => time },
  { title: "type", cell: ({ type }) => type },
  { title: "data", cell: ({ data }) => JSON.stringify(data), isWide: true }
]

/** How messages are printed. */
export const printed = (none: string): RowsOptions<RecordedMessage> => ({
  schema: RecordedMessageSchema,
  columns: messageColumns,
  none
})

/** All of one message. */
export const wholeMessage: Pick<RowsOptions<RecordedMessage>, "columns" | "schema"> = {
  schema: RecordedMessageSchema,
  columns: [
    { title: "id", cell: ({ id }) => id },
    { title: "stream", cell: ({ streamName }) => streamName },
    { title: "position", cell: ({ position }) => position },
    { title: "global position", cell: ({ globalPosition }) => globalPosition },
    { title: "time", cell: ({ time }) => time },
    { title: "type", cell: ({ type }) => type },
    { title: "data", cell: ({ data }) => JSON.stringify(data) },
    { title: "metadata", cell: ({ metadata }) => JSON.stringify(metadata) }
  ]
}

/** A UUID in whatever case. */
export const isMessageId = (text: string): boolean =>
  /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i.test(text)

/** A whole number that a position can be; `undefined` when the text is none. */
export const positionOf = (text: string): number | undefined => /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** A time as a person writes it, with the zone, or in that of the machine. */
export const timeOf = (text: string): Effect.Effect<DateTime.Utc, UsageError> =>
  Option.match(/^\d{4}-\d{2}-\d{2}/.test(text) ? DateTime.make(new Date(text)) : Option.none(), {
    onNone: () =>
      Effect.fail(
        new UsageError({
          message: `${text} is no time`,
          hint: "write it as in 2026-11-29T10:00:00Z, or without the zone"
        })
      ),
    onSome: (time) => Effect.succeed(DateTime.toUtc(time))
  })
