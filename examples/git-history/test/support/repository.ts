/**
 * Real git repositories in temporary folders, the same whatever git configuration the machine has.
 */
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

const environment = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.com",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.com",
  // Set when the tests run in a hook of git.
  GIT_DIR: undefined,
  GIT_WORK_TREE: undefined,
  GIT_INDEX_FILE: undefined
}

export const git = (folder: string, args: ReadonlyArray<string>, stdin: string | Uint8Array = "") =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const input = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin
    const process = yield* spawner.spawn(ChildProcess.make("git", ["-C", folder, ...args], {
      env: environment,
      extendEnv: true,
      stdin: Stream.make(input)
    }))
    const [output, complaints, code] = yield* Effect.all([
      Stream.runFold(process.stdout, () => Buffer.alloc(0), (all, chunk) => Buffer.concat([all, chunk])),
      Stream.mkString(Stream.decodeText(process.stderr)),
      process.exitCode
    ], { concurrency: "unbounded" })
    return code === 0 ? output : yield* Effect.die(new Error(`git ${args.join(" ")}: ${complaints}`))
  }).pipe(Effect.scoped)

/** An empty repository, gone with the scope. */
export const empty = Effect.fnUntraced(function*(...options: ReadonlyArray<string>) {
  const folder = yield* Program.temporaryFolder
  yield* git(folder, ["init", "--quiet", "--initial-branch=main", ...options])
  return folder
})

/** A path for `git fast-import`, any bytes. */
export const quote = (path: string | Uint8Array): string =>
  `"${[...Buffer.from(path)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}"`

export interface CommitOptions {
  readonly branch?: string
  readonly author?: string
  readonly from?: string
  readonly merge?: ReadonlyArray<string>
  readonly seconds?: number
}

let mark = 0

/** A commit for `git fast-import`, whose changes are its `M` and `D` lines. */
export const commit = (changes: ReadonlyArray<string>, options: CommitOptions = {}): string => {
  const when = `${options.seconds ?? 1_700_000_000 + mark++} +0000`
  return [
    `commit refs/heads/${options.branch ?? "main"}`,
    `author ${options.author ?? "Ada"} <ada@example.com> ${when}`,
    `committer Ada <ada@example.com> ${when}`,
    "data 0",
    ...options.from === undefined ? [] : [`from ${options.from}`],
    ...(options.merge ?? []).map((parent) => `merge ${parent}`),
    ...changes,
    ""
  ].join("\n")
}

/** Writes a file: `mode` is 100644, 100755 (executable) or 120000 (a link). */
export const write = (path: string | Uint8Array, content: string, mode = "100644"): string =>
  `M ${mode} inline ${quote(path)}\ndata ${Buffer.byteLength(content)}\n${content}`

export const submodule = (path: string, commit: string): string => `M 160000 ${commit} ${quote(path)}`

export const remove = (path: string | Uint8Array): string => `D ${quote(path)}`

/** Adds commits to a repository. */
export const importCommits = (folder: string, commits: ReadonlyArray<string>) =>
  git(folder, ["fast-import", "--quiet", "--force", "--date-format=raw"], commits.join("\n") + "\n")

/** The paths in the tree of HEAD, as git itself tells. */
export const livePaths = (folder: string) =>
  Effect.map(git(folder, ["ls-tree", "-r", "-z", "--full-tree", "--name-only", "HEAD"]), (output) => {
    const paths: Array<Uint8Array> = []
    let start = 0
    for (let end = output.indexOf(0); end !== -1; end = output.indexOf(0, start)) {
      paths.push(output.subarray(start, end))
      start = end + 1
    }
    return paths
  })
