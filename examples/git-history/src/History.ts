/**
 * The history of a git repository as messages: a stream for each file, and one for the repository, whose last message is
 * the checkpoint of the recording.
 */
import { type DateTime, Effect, HashMap, Option, Schema, Stream } from "effect"
import { Category, Entity, MessageStore } from "eventfold"
import * as FileId from "./FileId.ts"
import * as Git from "./Git.ts"
import type * as GitLog from "./GitLog.ts"

const change = { commit: Schema.String, author: Schema.String, time: Schema.DateTimeUtc }

/** What happened to a file. */
export class File extends Category.make("file", {
  Added: change,
  Modified: change,
  TypeChanged: change,
  Deleted: change
}) {}

/**
 * A checkpoint, written together with changes of files: the commit of the last change, how many changes of that commit are
 * left to record, and the total number of commits (this one included) and of changes so far.
 */
export class Repository extends Category.make("repository", {
  Recorded: { commit: Schema.String, left: Schema.Int, commits: Schema.Int, changes: Schema.Int }
}) {}

const FileState = Schema.Struct({
  alive: Schema.Boolean,
  changes: Schema.Int,
  /** The number of changes by author. */
  authors: Schema.HashMap(Schema.String, Schema.Int),
  first: Schema.Option(Schema.DateTimeUtc),
  last: Schema.Option(Schema.DateTimeUtc)
})

export type FileState = typeof FileState.Type

const changed =
  (alive: boolean) => (state: FileState, { author, time }: { author: string; time: DateTime.Utc }): FileState => ({
    alive,
    changes: state.changes + 1,
    authors: HashMap.modifyAt(state.authors, author, (count) => Option.some(Option.getOrElse(count, () => 0) + 1)),
    first: Option.orElseSome(state.first, () => time),
    last: Option.some(time)
  })

/** The state of a file. */
export const FileEntity = Entity.make(File, {
  state: FileState,
  initial: { alive: false, changes: 0, authors: HashMap.empty(), first: Option.none(), last: Option.none() },
  evolve: { Added: changed(true), Modified: changed(true), TypeChanged: changed(true), Deleted: changed(false) }
})

/** The ids of a repository's files begin with a part of its root commit's id, so that repositories can share a store. */
const prefix = (repository: Git.Repository): string => `${repository.root.slice(0, 12)}/`

export const fileId = (repository: Git.Repository, path: Uint8Array): string =>
  prefix(repository) + FileId.fromPath(path)

/** How far the history of a repository has been recorded. */
export interface Checkpoint {
  /** The last commit that is recorded completely. */
  readonly commit: string | undefined
  readonly commits: number
  readonly changes: number
  /** How many changes of the next commit are left, when a part of it is recorded. */
  readonly left: number
  /** The version of the repository's stream. None before the first run. */
  readonly version: Option.Option<number>
}

const nothing: Checkpoint = { commit: undefined, commits: 0, changes: 0, left: 0, version: Option.none() }

export class HistoryRewritten extends Schema.TaggedError<HistoryRewritten>()("HistoryRewritten", {
  path: Schema.String,
  commit: Schema.String
}) {
  override get message() {
    return `the recorded commit ${this.commit.slice(0, 12)} is not on the line that leads to HEAD of ${this.path}: ` +
      "its history was rewritten or another branch is checked out. Record it in a new folder, with --data"
  }
}

/** Reads the checkpoint of a repository, and fails unless HEAD continues from it. */
export const checkpoint = Effect.fn("History.checkpoint")(function*(repository: Git.Repository) {
  const store = yield* MessageStore.MessageStore
  const message = yield* store.lastMessage(yield* Repository.streamName(repository.root), { type: "Recorded" })
  const event = Option.isSome(message) ? yield* Repository.decode(message.value) : Option.none()
  if (Option.isNone(event)) return nothing
  const { data, recorded } = event.value
  const { changes, commit, commits, left } = data
  if (commits > repository.commits || (yield* Git.commitAt(repository, commits)) !== commit) {
    return yield* new HistoryRewritten({ path: repository.path, commit })
  }
  const version = Option.some(recorded.position)
  if (left === 0) return { commit, commits, changes, left, version } satisfies Checkpoint
  const whole = commits === 1 ? undefined : yield* Git.commitAt(repository, commits - 1)
  return { commit: whole, commits: commits - 1, changes, left, version } satisfies Checkpoint
})

/** Some changes of a commit, and how many more it has. */
interface Part extends GitLog.Commit {
  readonly left: number
}

/** Writing commits one by one would be slow, and all changes of a large commit at once would take much memory. */
const groupSize = 1_000

const split = ({ changes, ...commit }: GitLog.Commit): ReadonlyArray<Part> =>
  Array.from({ length: Math.max(1, Math.ceil(changes.length / groupSize)) }, (_, i) => {
    const end = (i + 1) * groupSize
    return { ...commit, changes: changes.slice(end - groupSize, end), left: Math.max(0, changes.length - end) }
  })

const grouped = <E, R>(commits: Stream.Stream<GitLog.Commit, E, R>) =>
  commits.pipe(
    Stream.map(split),
    Stream.flattenIterable,
    Stream.mapAccum(
      () => ({ parts: Array.of<Part>(), weight: 0 }),
      ({ parts, weight }, part) => {
        parts.push(part)
        const now = weight + part.changes.length + 1
        return now < groupSize ? [{ parts, weight: now }, []] : [{ parts: [], weight: 0 }, [parts]]
      },
      { onHalt: ({ parts }) => parts.length === 0 ? [] : [parts] }
    )
  )

const eventsByFile = (repository: Git.Repository, parts: ReadonlyArray<Part>) => {
  const files = new Map<string, Array<Category.Event<typeof File>>>()
  for (const { author, changes, id: commit, time } of parts) {
    for (const { kind, path } of changes) {
      const id = fileId(repository, path)
      const event = File.events[kind]({ commit, author, time })
      const events = files.get(id)
      if (events === undefined) files.set(id, [event])
      else events.push(event)
    }
  }
  return files
}

/**
 * Writes changes together with the new checkpoint, all or nothing: whenever the program is killed, the next run resumes
 * exactly where this one stopped. The expected version prevents two runs from recording the same changes.
 */
const write = Effect.fn("History.write")(function*(
  repository: Git.Repository,
  before: Checkpoint,
  parts: ReadonlyArray<Part>
) {
  const store = yield* MessageStore.MessageStore
  const appends = yield* Effect.forEach(
    eventsByFile(repository, parts),
    Effect.fnUntraced(function*([id, events]): Effect.fn.Return<MessageStore.Append, MessageStore.AppendError> {
      const streamName = yield* File.streamName(id)
      return { streamName, messages: yield* File.encode(streamName, events) }
    })
  )
  const whole = parts.filter(({ left }) => left === 0)
  const now = {
    commit: whole.at(-1)?.id ?? before.commit,
    commits: before.commits + whole.length,
    changes: parts.reduce((sum, { changes }) => sum + changes.length, before.changes),
    left: parts.at(-1)?.left ?? 0
  }
  const recorded = Repository.events.Recorded({
    ...now,
    commit: parts.at(-1)?.id ?? repository.head,
    commits: now.left === 0 ? now.commits : now.commits + 1
  })
  const streamName = yield* Repository.streamName(repository.root)
  const messages = yield* Repository.encode(streamName, [recorded])
  const expectedVersion = Option.getOrElse(before.version, () => "noStream" as const)
  const results = yield* store.writeAll([...appends, { streamName, messages, expectedVersion }])
  const version = Option.map(Option.fromUndefinedOr(results.at(-1)), ({ version }) => version)
  return { ...now, version } satisfies Checkpoint
})

/** Records the commits after the checkpoint `from`. Gives the new checkpoint. */
export const record = Effect.fn("History.record")(function*(
  repository: Git.Repository,
  from: Checkpoint,
  tick: (commits: number) => Effect.Effect<void>
) {
  let checkpoint = from
  yield* Git.log(repository, from.commit).pipe(
    Stream.mapAccum(() => from.left, (left, commit) => [
      0,
      [left === 0 ? commit : { ...commit, changes: commit.changes.slice(-left) }]
    ]),
    grouped,
    Stream.runForEach(Effect.fnUntraced(function*(parts) {
      const { commits } = checkpoint
      checkpoint = yield* write(repository, checkpoint, parts)
      yield* tick(checkpoint.commits - commits)
    }))
  )
  return checkpoint
})

/** Folds the files of a repository, in one pass over the category instead of a query for each file. */
export const fold = Effect.fn("History.fold")(function*(
  repository: Git.Repository,
  tick: (messages: number) => Effect.Effect<void>
) {
  const files = new Map<string, FileState>()
  const ours = `${File.categoryName}-${prefix(repository)}`
  yield* Stream.runForEachArray(
    File.readCategory(),
    (events) =>
      Effect.suspend(() => {
        for (const event of events) {
          const { streamName } = event.recorded
          if (!streamName.startsWith(ours)) continue
          const id = streamName.slice(ours.length)
          files.set(id, FileEntity.evolve(files.get(id) ?? FileEntity.initial, event))
        }
        return tick(events.length)
      })
  )
  return files
})
