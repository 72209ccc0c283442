/**
 * Parses the output of `git log` while git prints it: only the current commit is in memory.
 */
import { DateTime, Effect, Option, Schema, Stream } from "effect"

/** The options with which `git log` prints what {@link parse} reads, whatever the configuration of the user is. */
export const options = [
  "-z",
  "--format=%H%x00%at%x00%an",
  "--encoding=UTF-8",
  "--reverse",
  // A merge counts as one change of the branch that it was merged into.
  "--first-parent",
  "--diff-merges=first-parent",
  "--name-status",
  "--no-renames",
  "--no-relative",
  // In the order of the tree, so that a run can resume in the middle of a commit.
  "-O/dev/null",
  "--ignore-submodules=none",
  "--root",
  "--no-show-signature"
]

/** The letters of `git log` for what happens to a file: with `T`, for example, a file became a link. */
const kinds = { A: "Added", M: "Modified", D: "Deleted", T: "TypeChanged" } as const

export interface Change {
  readonly kind: (typeof kinds)[keyof typeof kinds]
  /** From the root of the repository. Any bytes except NUL. */
  readonly path: Uint8Array
}

export interface Commit {
  readonly id: string
  readonly time: DateTime.Utc
  readonly author: string
  readonly changes: ReadonlyArray<Change>
}

/** `git log` printed something that {@link options} do not ask for. */
export class UnexpectedOutput extends Schema.TaggedError<UnexpectedOutput>()("UnexpectedOutput", {
  commit: Schema.String,
  output: Schema.String
}) {
  override get message() {
    return `cannot understand what git log printed after commit ${this.commit}: ${JSON.stringify(this.output)}`
  }
}

/** Splits bytes at NULs, and drops what follows the last one: git ends its output with a NUL. */
const tokens = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  Stream.mapAccum(bytes, () => new Uint8Array(), (rest: Uint8Array, chunk) => {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const found: Array<Uint8Array> = []
    let start = 0
    for (let end = all.indexOf(0); end !== -1; end = all.indexOf(0, start)) {
      found.push(all.subarray(start, end))
      start = end + 1
    }
    return [all.subarray(start), found]
  })

/** The commit that is being read, and the kind of the change whose path comes next. */
interface Reading {
  readonly header: Array<string>
  readonly changes: Array<Change>
  kind: Change["kind"] | undefined
}

const begin = (...header: Array<string>): Reading => ({ header, changes: [], kind: undefined })

// Git accepts commits without a valid time. They get the year 1970.
const epoch = DateTime.makeUnsafe(0)

/** An empty field, in the place of a letter or an id. */
const end = new Uint8Array()

const finish = ({ changes, header: [id = "", seconds, author = ""] }: Reading): ReadonlyArray<Commit> =>
  id === ""
    ? []
    : [{ id, time: Option.getOrElse(DateTime.make(Number(seconds) * 1000), () => epoch), author, changes }]

const isKind = (letter: string): letter is keyof typeof kinds => letter in kinds

const decoder = new TextDecoder()

const isCommitId = (text: string): boolean => /^[0-9a-f]{40,64}$/.test(text)

/**
 * Parses the commits of a log. A log consists of fields that end with a NUL: the id, the time and the author of a commit,
 * then a letter and a path for each of its changes, if it has any.
 */
export const parse = <E, R>(log: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Commit, E | UnexpectedOutput, R> =>
  tokens(log).pipe(
    // The exit code of git tells whether the last commit is whole: a log that fails has no end.
    Stream.concat(Stream.make(end)),
    Stream.mapAccumArrayEffect(
      () => begin(),
      Effect.fnUntraced(function*(reading: Reading, tokens) {
        const commits: Array<Commit> = []
        for (const token of tokens) {
          if (reading.kind !== undefined) {
            reading.changes.push({ kind: reading.kind, path: token })
            reading.kind = undefined
            continue
          }
          const text = decoder.decode(token)
          // Git prints a newline between the header of a commit and its changes.
          const letter = text.trimStart()
          if (reading.header.length === 1 || reading.header.length === 2) {
            reading.header.push(text)
          } else if (isCommitId(text) || token.length === 0) {
            commits.push(...finish(reading))
            reading = begin(text)
          } else if (isKind(letter) && reading.header.length > 0) {
            reading.kind = kinds[letter]
          } else {
            return yield* new UnexpectedOutput({ commit: reading.header[0] ?? "none", output: text })
          }
        }
        return [reading, commits] as const
      })
    )
  )
