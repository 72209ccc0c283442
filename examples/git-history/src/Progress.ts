/**
 * A progress bar on a terminal; nothing on a pipe.
 */
import { SingleBar } from "cli-progress"
import { Effect, Stdio } from "effect"

/** Says that `count` more are done. */
export type Tick = (count: number) => Effect.Effect<void>

/** Runs work that says how far it is, and shows it on stderr. */
export const bar = Effect.fnUntraced(function*<A, E, R>(
  title: string,
  total: number,
  work: (tick: Tick) => Effect.Effect<A, E, R>
) {
  const stdio = yield* Stdio.Stdio
  if (total === 0 || !(yield* stdio.stderrIsTerminal)) return yield* work(() => Effect.void)
  const start = Effect.sync(() => {
    const bar = new SingleBar({
      format: `${title} {bar} {percentage}% | {value}/{total} | {eta_formatted}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      clearOnComplete: true,
      // Effect handles the signals: the bar is released like everything else.
      gracefulExit: false
    })
    bar.start(total, 0)
    return bar
  })
  return yield* Effect.acquireUseRelease(
    start,
    (bar) => work((count) => Effect.sync(() => bar.increment(count))),
    (bar) => Effect.sync(() => bar.stop())
  )
})
