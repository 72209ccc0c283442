/**
 * Rebuilds whose progress is the answer.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as ReadModel from "eventfold/ReadModel"
import type { Progress, RebuildEvent } from "../../ReadersApi.ts"
import * as Runs from "../limits/runs.ts"
import { ofRebuild } from "./failures.ts"

type Event = typeof RebuildEvent.Type

type Failure = Parameters<typeof ofRebuild>[0]

const progressOf = ({ remaining, ...progress }: ReadModel.Progress): typeof Progress.Type => ({
  ...progress,
  remaining: Option.getOrNull(Option.map(remaining, Duration.toMillis))
})

/** Gives what runs a rebuild and answers with its progress. */
export const make = Effect.map(
  Runs.make,
  (answer) => <R>(rebuild: Stream.Stream<ReadModel.Progress, Failure, R>) =>
    answer(Stream.map(rebuild, (progress): Event => ({ event: "progress", data: progressOf(progress) })), {
      keeps: "newest",
      problemOf: ofRebuild
    })
)
