/**
 * The command line: the repository, and the store for its history.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Main from "@eventfold/example-command-line/Main"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Git from "./Git.ts"
import * as GitHistory from "./GitHistory.ts"

const command = Command.make("git-history", {
  repository: GitHistory.repositoryArgument,
  ...CommandLine.storeFlags,
  top: Flag.Int("top").pipe(
    Flag.withDescription("How many files and authors to show"),
    Flag.filter((top) => top > 0, () => "must be at least 1"),
    Flag.withDefault(10)
  )
}, ({ repository, top, ...storeOptions }) =>
  Git.open(repository).pipe(
    Effect.flatMap((git) => Effect.provide(GitHistory.run(git, top), CommandLine.storeLayer(storeOptions))),
    Effect.catch(CommandLine.report)
  )).pipe(Command.withDescription("Records the history of a git repository as messages, and folds it into files"))

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.provide(NodeServices.layer),
  Main.run
)
