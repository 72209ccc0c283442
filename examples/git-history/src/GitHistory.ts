/**
 * The programs: record the new commits of a repository; or do so, fold its files, and print the results.
 *
 * They need a `MessageStore`, and do not know which one they get.
 */
import * as Progress from "@eventfold/example-command-line/Progress"
import { Console, Effect } from "effect"
import { Argument } from "effect/cli"
import type * as Git from "./Git.ts"
import * as History from "./History.ts"
import * as Report from "./Report.ts"

/** The repository that a command line names. */
export const repositoryArgument = Argument.String("repository").pipe(
  Argument.withDescription("A folder of a git repository"),
  Argument.withDefault(".")
)

/** Records the commits that are new, says how many there are, and gives the new checkpoint. */
export const record = Effect.fn("GitHistory.record")(function*(repository: Git.Repository) {
  const before = yield* History.checkpoint(repository)
  const after = yield* Progress.bar(
    "recording commits",
    repository.commits - before.commits,
    (tick) => History.record(repository, before, tick)
  )
  yield* Console.log(
    `new commits: ${after.commits - before.commits}, new messages: ${after.changes - before.changes}`
  )
  return after
})

/** Records, folds and prints. */
export const run = Effect.fn("GitHistory.run")(function*(repository: Git.Repository, top: number) {
  const after = yield* record(repository)
  const files = yield* Progress.bar("folding files", after.changes, (tick) => History.fold(repository, tick))
  const summary = Report.summarize(files)
  yield* Console.log(Report.tables(summary, top))
  yield* Console.log(
    `alive=${summary.alive} files=${summary.files} commits=${after.commits} messages=${summary.changes}`
  )
})
