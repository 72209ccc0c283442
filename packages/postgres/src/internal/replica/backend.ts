import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { AllPage, StoreBackend } from "eventfold/StoreBackend"
import type { StoreError } from "eventfold/StoreError"
import { ownFunctionCall } from "../client/functionCalls.ts"
import type { Statements } from "../client/statements.ts"
import { levelOf } from "../client/transactions.ts"
import { installedGapRule } from "../readAll/gapRule.ts"
import { type LookedPage, makeReadAll, readPage } from "../readAll/readAll.ts"
import { readBackwards } from "../store/backend.ts"
import type { FoldReads } from "../store/foldReads.ts"
import { makeReads } from "../store/reads.ts"
import type { Following } from "./following.ts"

type Writing = <A, E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

type Looking = <A, E, R>(look: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The operations on streams, which the replica follows. */
const followedStreams = (
  streams: NonNullable<StoreBackend["streams"]>,
  writing: Writing,
  looking: Looking
): StoreBackend["streams"] => ({
  ...streams,
  get: (stream) => looking(streams.get(stream)),
  list: (page) => looking(streams.list(page)),
  countStreams: (category) => looking(streams.countStreams(category)),
  listMessages: (page) => looking(streams.listMessages(page)),
  countMessages: (name) => looking(streams.countMessages(name)),
  stats: (category) => looking(streams.stats(category)),
  add: (...args) => writing(streams.add(...args)),
  set: (...args) => writing(streams.set(...args)),
  deleteMessage: (...args) => writing(streams.deleteMessage(...args)),
  deleteStream: (...args) => writing(streams.deleteStream(...args)),
  purge: (...args) => writing(streams.purge(...args))
})

/**
 * Reads everything on the replica. That does not see the transactions that may fill a gap, so a page with a gap which is not known to be
 * final is read on the primary, and what is learned there holds for the pages after it.
 */
const makeReplicaReadAll = (primary: Statements, replica: Statements, following: Following) => {
  const onReplica = readPage(replica)
  const onPrimary = readPage(primary)
  // The run of which something is known: the primary's.
  let run = ""
  const page = (page: AllPage, final: number): Effect.Effect<LookedPage, StoreError> =>
    following.read(
      replica.once(Effect.map(onReplica(page, final), (looked) => ({ ...looked, run }))),
      Effect.map(onPrimary(page, final), (looked) => {
        run = looked.run
        return looked
      })
    )
  return makeReadAll(primary, installedGapRule(primary.sql), page).readAll
}

/** A store that writes to the primary, and reads on a replica what a replica can give. */
export const make = (
  backend: StoreBackend,
  primary: Statements,
  replica: Statements,
  foldReads: FoldReads,
  following: Following
): StoreBackend => {
  const reads = makeReads(replica, ownFunctionCall(replica.sql), readBackwards(replica))
  const readAll = makeReplicaReadAll(primary, replica, following)
  const { archive, listing, readForFold, streams, watch } = backend

  /** In a transaction of the caller, and beside it, the primary answers: only there is what the transaction has written. */
  const unlessInTransaction = <A, E>(elsewhere: Effect.Effect<A, E>, onPrimary: Effect.Effect<A, E>) =>
    Effect.contextWith((context: Context.Context<never>) =>
      levelOf(primary.sql, context) === undefined ? elsewhere : onPrimary
    )
  const read = <A, E>(onReplica: Effect.Effect<A, E>, onPrimary: Effect.Effect<A, E>) =>
    unlessInTransaction(following.read(replica.once(onReplica), onPrimary), onPrimary)

  const seen = Effect.sync(following.seen)
  // Also when it fails: a conflict is with something that the next read has to see.
  const writing: Writing = (write) => Effect.onExit(write, () => backend.transactions?.afterCommit(seen) ?? seen)
  // A message that the primary has shown, in a list or at its position, must be there for who then reads its stream.
  const looking: Looking = (look) => Effect.tap(look, () => seen)

  return {
    ...backend,
    append: (append) => writing(backend.append(append)),
    writeAll: (appends) => writing(backend.writeAll(appends)),
    readStream: (page) => read(reads.readStream(page), backend.readStream(page)),
    readForFold: readForFold === undefined
      ? undefined
      : (streamName, from) => read(foldReads.together(streamName, from), readForFold(streamName, from)),
    lastMessage: (streamName, type) => read(reads.lastMessage(streamName, type), backend.lastMessage(streamName, type)),
    streamVersion: (streamName) => read(reads.streamVersion(streamName), backend.streamVersion(streamName)),
    findMessage: (streamName, id) => read(reads.findMessage(streamName, id), backend.findMessage(streamName, id)),
    messageById: (id) => read(reads.messageById(id), backend.messageById(id)),
    readCategory: (page) => read(reads.readCategory(page), backend.readCategory(page)),
    lastCategoryMessage: (category) => read(reads.lastCategoryMessage(category), backend.lastCategoryMessage(category)),
    countCategory: (range) => read(reads.countCategory(range), backend.countCategory(range)),
    countAll: (range) => read(reads.countAll(range), backend.countAll(range)),
    readAll: (page) => unlessInTransaction(readAll(page), backend.readAll(page)),
    streams: streams === undefined ? undefined : followedStreams(streams, writing, looking),
    messageAt: (position) => looking(backend.messageAt(position)),
    lastPosition: looking(backend.lastPosition),
    listing: listing === undefined ? undefined : {
      categories: (page) => looking(listing.categories(page)),
      newest: (category, limit) => looking(listing.newest(category, limit)),
      streams: (page) => looking(listing.streams(page))
    },
    archive: archive === undefined ? undefined : {
      ...archive,
      importMessages: (...args) => writing(archive.importMessages(...args)),
      importAttributes: (...args) => writing(archive.importAttributes(...args))
    },
    // What they find may not be on the replica yet: each reader looks for itself.
    news: undefined,
    // Whoever held it before has written what its new holder reads first.
    lease: (name) => Effect.tap(backend.lease(name), () => seen),
    // The replica may get the message later than the reader the wake-up.
    watch: watch === undefined ? undefined : (wake) => watch((category) => Effect.andThen(seen, wake(category)))
  }
}
