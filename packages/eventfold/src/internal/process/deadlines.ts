import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Category from "../../Category.ts"
import * as StreamName from "../../StreamName.ts"

const deadline = { name: Schema.String, due: Schema.DateTimeUtc }

/**
 * The category of a process's deadlines, such as `fulfilment:deadline`. Its streams have the ids of the processes. A message
 * `Set` is written when a deadline is set, and `Passed` when it has passed.
 */
export const category = (process: string) =>
  Category.make(StreamName.withType(process, "deadline"), { Set: deadline, Passed: deadline })

export type DeadlineCategory = ReturnType<typeof category>

/** When a deadline is due. None when it never is: after an infinite duration. */
const dueTime = (now: number, deadline: Duration.Input | DateTime.Utc): Option.Option<DateTime.Utc> =>
  DateTime.isDateTime(deadline)
    ? Option.some(deadline)
    : DateTime.make(now + Duration.toMillis(deadline))

/** Encodes the deadlines of a reaction: one append, or none when nothing is set. */
export const toAppends = Effect.fnUntraced(function*(
  category: DeadlineCategory,
  processStream: StreamName.StreamName,
  deadlines: { readonly [name: string]: Duration.Input | DateTime.Utc | undefined }
) {
  const now = yield* Clock.currentTimeMillis
  const events = Object.entries(deadlines).flatMap(([name, deadline]) =>
    Option.match(deadline === undefined ? Option.none() : dueTime(now, deadline), {
      onNone: () => [],
      onSome: (due) => [category.events.Set({ name, due })]
    })
  )
  if (events.length === 0) return []
  const id = Option.getOrElse(StreamName.id(processStream), () => "")
  return [yield* category.toAppend(id, events)]
})
