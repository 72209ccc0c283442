/**
 * Progress bars on a terminal, and nothing on a pipe.
 */
import { SingleBar } from "cli-progress"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { Progress } from "eventfold/ReadModel"

/** Reports that `count` more are done. */
export type Tick = (count: number) => Effect.Effect<void>

/** Runs work with a bar on stderr, when that is a terminal. */
const beside = Effect.fnUntraced(function*<A, E, R>(
  title: string,
  tail: string,
  work: (bar: SingleBar | undefined) => Effect.Effect<A, E, R>
) {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stderrIsTerminal)) return yield* work(undefined)
  const make = Effect.sync(() =>
    new SingleBar({
      format: `${title} {bar} {percentage}% | {value}/{total} | ${tail}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      clearOnComplete: true,
      // Effect handles the signals: the bar is released like everything else.
      gracefulExit: false
    })
  )
  return yield* Effect.acquireUseRelease(make, work, (bar) => Effect.sync(() => bar.stop()))
})

/** Runs work that reports its progress, and shows a bar. */
export const bar = <A, E, R>(title: string, total: number, work: (tick: Tick) => Effect.Effect<A, E, R>) =>
  total === 0
    ? work(() => Effect.void)
    : beside(title, "{eta_formatted}", (bar) =>
      Effect.suspend(() => {
        bar?.start(total, 0)
        return work((count) => Effect.sync(() => bar?.increment(count)))
      }))

/** The speed of a build, and the time that it still takes. */
const speed = ({ rate, remaining }: Progress) => ({
  rate: Math.round(rate),
  left: Option.match(remaining, {
    onNone: () => "?",
    onSome: (duration) => Duration.format(Duration.seconds(Math.ceil(Duration.toSeconds(duration))))
  })
})

/** Builds a read model, shows a bar, and gives the last progress. */
export const building = <E, R>(title: string, progress: Stream.Stream<Progress, E, R>) =>
  beside(title, "{rate}/s | {left}", (bar) => {
    let isStarted = false
    return progress.pipe(
      Stream.tap((now) =>
        Effect.sync(() => {
          if (!isStarted) bar?.start(now.of, now.handled, speed(now))
          isStarted = true
          bar?.setTotal(now.of)
          bar?.update(now.handled, speed(now))
        })
      ),
      Stream.runLast
    )
  })
