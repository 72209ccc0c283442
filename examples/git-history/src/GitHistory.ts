/**
 * The program: record the new commits of a repository, fold its files, print the results.
 *
 * It needs a `MessageStore`, and does not know which one it gets.
 */
import * as Progress from "@eventfold/example-command-line/Progress"
import { Console, Effect } from "effect"
import type * as Git from "./Git.ts"
import * as History from "./History.ts"
import * as Report from "./Report.ts"

export const run = Effect.fn("GitHistory.run")(function*(repository: Git.Repository, top: number) {
  const before = yield* History.checkpoint(repository)
  const after = yield* Progress.bar(
    "recording commits",
    repository.commits - before.commits,
    (tick) => History.record(repository, before, tick)
  )
  yield* Console.log(
    `new commits: ${after.commits - before.commits}, new messages: ${after.changes - before.changes}`
  )
  const files = yield* Progress.bar("folding files", after.changes, (tick) => History.fold(repository, tick))
  const summary = Report.summarize(files)
  yield* Console.log(Report.tables(summary, top))
  yield* Console.log(
    `alive=${summary.alive} files=${summary.files} commits=${after.commits} messages=${summary.changes}`
  )
})
