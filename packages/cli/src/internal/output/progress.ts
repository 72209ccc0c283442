/**
 * Tells a person at the terminal how far something is, on stderr.
 */
import { SingleBar } from "cli-progress"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"

/** How far something is. */
export interface Step {
  /** How many are done, and of how many; `undefined` when nobody knows. */
  readonly done: number
  readonly of: number | undefined
  /** How many are done in a second. */
  readonly rate?: number | undefined
  /** How long it will still take. */
  readonly remaining?: Duration.Duration | undefined
}

/** Shows a step. Nothing is shown where no person looks. */
export type Show = (step: Step) => Effect.Effect<void>

const numbers = ({ rate, remaining }: Step) => ({
  rate: rate === undefined ? "" : ` | ${Math.round(rate).toLocaleString("en-US")}/s`,
  left: remaining === undefined
    ? ""
    : ` | ${Duration.format(Duration.seconds(Math.ceil(Duration.toSeconds(remaining))))} left`
})

const makeBar = (title: string) =>
  new SingleBar({
    format: `${title} {bar} {percentage}% | {value}/{total}{rate}{left}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
    // Effect handles the signals: the bar is released like everything else.
    gracefulExit: false
  })

/** Runs work that tells its steps, with a bar on stderr when that is a terminal. */
export const withProgress = Effect.fnUntraced(function*<A, E, R>(
  title: string,
  work: (show: Show) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, R | Stdio.Stdio> {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stderrIsTerminal)) return yield* work(() => Effect.void)
  return yield* Effect.acquireUseRelease(
    Effect.sync(() => makeBar(title)),
    (bar) => {
      let isStarted = false
      return work((step) =>
        Effect.sync(() => {
          const total = step.of ?? step.done
          if (!isStarted) bar.start(total, step.done, numbers(step))
          isStarted = true
          bar.setTotal(total)
          bar.update(step.done, numbers(step))
        })
      )
    },
    (bar) => Effect.sync(() => bar.stop())
  )
})
