import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Problem from "../../Problem.ts"
import { invalid } from "../problems/failures.ts"

/** Whether there is a day: JavaScript takes February 31 for March 3. */
const isDay = (text: string): boolean =>
  Option.exists(DateTime.make(text), (day) => DateTime.formatIsoDateUtc(day) === text)

/** A time of the request, which has the form of one. */
export const timeOf = (
  place: ReadonlyArray<string>,
  text: string
): Effect.Effect<DateTime.Utc, Problem.InvalidRequest> =>
  Option.match(Option.filter(DateTime.make(text), () => isDay(text.slice(0, 10))), {
    onNone: () => Effect.fail(invalid(place, "must be a time that there is")),
    onSome: (time) => Effect.succeed(DateTime.toUtc(time))
  })
