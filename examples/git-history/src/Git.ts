/**
 * A git repository, read by the `git` command.
 */
import { Effect, Fiber, type PlatformError, Schema, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import * as GitLog from "./GitLog.ts"

export class GitNotInstalled extends Schema.TaggedError<GitNotInstalled>()("GitNotInstalled", {}) {
  override get message() {
    return "the command git was not found: install git, or put it on the PATH"
  }
}

export class NotARepository extends Schema.TaggedError<NotARepository>()("NotARepository", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} is not a git repository: ${this.reason}`
  }
}

export class NoCommits extends Schema.TaggedError<NoCommits>()("NoCommits", { path: Schema.String }) {
  override get message() {
    return `the git repository ${this.path} has no commits yet`
  }
}

export class GitFailed extends Schema.TaggedError<GitFailed>()("GitFailed", {
  command: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `git ${this.command} failed: ${this.reason}`
  }
}

export interface Repository {
  readonly path: string
  /** The commit at HEAD when the repository was opened. Later commits are not read. */
  readonly head: string
  /** The first commit of the line that leads to HEAD. It identifies the repository. */
  readonly root: string
  /** How many commits lead from the root to HEAD, following first parents. */
  readonly commits: number
}

const platformFailure = (command: string) => (error: PlatformError.PlatformError) =>
  error.reason._tag === "NotFound"
    ? new GitNotInstalled()
    : new GitFailed({ command, reason: error.message })

/** The output of `git` in the folder `path`. The stream fails at its end unless git exits with 0. */
const git = (
  path: string,
  command: string,
  args: ReadonlyArray<string>
): Stream.Stream<Uint8Array, GitNotInstalled | GitFailed, ChildProcessSpawner.ChildProcessSpawner> =>
  Effect.gen(function*() {
    const process = yield* ChildProcess.make("git", ["-C", path, command, ...args], {
      stdin: "ignore",
      // The path names the repository. The environment may name another one, in a git hook for example.
      env: { GIT_DIR: undefined, GIT_WORK_TREE: undefined },
      extendEnv: true
    })
    // Read beside the output: a full pipe would stop git.
    const complaints = yield* Effect.forkScoped(Stream.mkString(Stream.decodeText(process.stderr)))
    const exit = Effect.gen(function*() {
      const code = yield* process.exitCode
      if (code === 0) return
      const [line = ""] = (yield* Fiber.join(complaints)).split("\n")
      return yield* new GitFailed({ command, reason: line.replace(/^fatal: /, "") || `exit code ${code}` })
    })
    return Stream.concat(process.stdout, Stream.fromEffectDrain(exit))
  }).pipe(
    Stream.unwrap,
    Stream.catchTag("PlatformError", (error) => Stream.fail(platformFailure(command)(error)))
  )

const gitText = (path: string, command: string, args: ReadonlyArray<string>) =>
  Effect.map(Stream.mkString(Stream.decodeText(git(path, command, args))), (text) => text.trim())

/** Finds the repository that the folder `path` belongs to. */
export const open = Effect.fn("Git.open")(function*(path: string) {
  yield* Effect.mapError(
    gitText(path, "rev-parse", ["--git-dir"]),
    (error) => error._tag === "GitFailed" ? new NotARepository({ path, reason: error.reason }) : error
  )
  const head = yield* Effect.mapError(
    gitText(path, "rev-parse", ["--verify", "--quiet", "HEAD^{commit}"]),
    (error) => error._tag === "GitFailed" ? new NoCommits({ path }) : error
  )
  const line = git(path, "rev-list", ["--first-parent", head]).pipe(Stream.decodeText, Stream.splitLines)
  const { commits, root } = yield* Stream.runFold(
    line,
    () => ({ commits: 0, root: head }),
    ({ commits }, root) => ({ commits: commits + 1, root })
  )
  return { path, head, root, commits } satisfies Repository
})

/** The id of a commit, counted from 1 at the root. */
export const commitAt = (repository: Repository, ordinal: number) =>
  gitText(repository.path, "rev-parse", ["--verify", `${repository.head}~${repository.commits - ordinal}`])

/** The commits from the root to HEAD, oldest first, or only those after the commit `since`. */
export const log = (repository: Repository, since: string | undefined) =>
  GitLog.parse(git(repository.path, "log", [
    ...GitLog.options,
    since === undefined ? repository.head : `${since}..${repository.head}`
  ]))
