/**
 * What `git log` prints, parsed while it is printed: only the commit being read is held in memory.
 */
import { DateTime, Effect, Option, Schema, Stream } from "effect"

/** The options that make `git log` print what {@link parse} reads, whatever the user's configuration says. */
export const options = [
  "-z",
  "--format=%H%x00%at%x00%an",
  "--encoding=UTF-8",
  "--reverse",
  // A merge counts as one change of the line it was merged into.
  "--first-parent",
  "--diff-merges=first-parent",
  "--name-status",
  "--no-renames",
  "--no-relative",
  // In the order of the tree: a run may have to go on in the middle of a commit.
  "-O/dev/null",
  "--ignore-submodules=none",
  "--root",
  "--no-show-signature"
]

/** The names that `git log` has for what happens to a file: `T` is, for example, a file that became a link. */
const kinds = { A: "Added", M: "Modified", D: "Deleted", T: "TypeChanged" } as const

export interface Change {
  readonly kind: (typeof kinds)[keyof typeof kinds]
  /** From the root of the repository; any bytes but NUL. */
  readonly path: Uint8Array
}

export interface Commit {
  readonly id: string
  readonly time: DateTime.Utc
  readonly author: string
  readonly changes: ReadonlyArray<Change>
}

/** `git log` printed something else than {@link options} ask for. */
export class UnexpectedOutput extends Schema.TaggedError<UnexpectedOutput>()("UnexpectedOutput", {
  commit: Schema.String,
  output: Schema.String
}) {
  override get message() {
    return `cannot understand what git log printed after commit ${this.commit}: ${JSON.stringify(this.output)}`
  }
}

/** Splits bytes at NULs. What follows the last NUL is dropped: git ends all it prints with one. */
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

/** The commit being read, its header first; and the kind of the change whose path comes next. */
interface Reading {
  readonly header: Array<string>
  readonly changes: Array<Change>
  kind: Change["kind"] | undefined
}

const begin = (...header: Array<string>): Reading => ({ header, changes: [], kind: undefined })

// Git lets authors have no time, or one that no calendar has: such a commit is from 1970.
const epoch = DateTime.makeUnsafe(0)

/** An empty field where a letter or an id would be. */
const end = new Uint8Array()

const finish = ({ changes, header: [id = "", seconds, author = ""] }: Reading): ReadonlyArray<Commit> =>
  id === ""
    ? []
    : [{ id, time: Option.getOrElse(DateTime.make(Number(seconds) * 1000), () => epoch), author, changes }]

const isKind = (letter: string): letter is keyof typeof kinds => letter in kinds

const decoder = new TextDecoder()

const isCommitId = (text: string): boolean => /^[0-9a-f]{40,64}$/.test(text)

/**
 * The commits of a log. It consists of fields that end with a NUL: a commit's id, time and author, then a letter and a
 * path for each of its changes, which may be none.
 */
export const parse = <E, R>(log: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Commit, E | UnexpectedOutput, R> =>
  tokens(log).pipe(
    // Git tells by its exit code whether the last commit is whole: a log that fails has no end.
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
          // Git prints a newline between a commit's header and its changes.
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
