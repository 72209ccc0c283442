/**
 * Attributes of streams and deletion in the memory store. Every function is synchronous, as those of the log are.
 */
import type * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import type * as Schema from "effect/Schema"
import { deletedType, idMaker, type MessageId } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"
import {
  type DeletionNote,
  type DeletionRequest,
  type EncodedStream,
  erasedError,
  type MessageListPage,
  type StreamKey,
  type StreamListPage,
  type StreamsBackend,
  type StreamsCount
} from "../../StreamsBackend.ts"
import { parseJson } from "../runtime/parseJson.ts"
import { type Contents, type Log, push, record, removeStream, replace, type Row, upTo } from "./memoryLog.ts"
import type { MemoryTransactions } from "./memoryTransactions.ts"

const objectOf = (json: Schema.Json | undefined): Schema.JsonObject | undefined =>
  typeof json === "object" && json !== null && !Array.isArray(json) ? json as Schema.JsonObject : undefined

const metadataOf = ({ metadata }: Row): Schema.JsonObject =>
  objectOf(metadata === null ? null : parseJson(metadata)) ?? {}

/** What a row says about a deletion; `undefined` when it stands for none. */
export const deletionOf = (row: Row): Schema.JsonObject | undefined =>
  row.type === deletedType && row.data === "null" ? objectOf(metadataOf(row)["deleted"]) : undefined

/** Whether a row stands for a deletion. */
export const isMark = (row: Row): boolean => deletionOf(row) !== undefined

/** Whether a row is the notice of a deleted stream. */
export const isNoticeOfStream = (row: Row): boolean => deletionOf(row)?.["through"] !== undefined

/** What a reader of streams looks at. */
interface View extends Pick<Contents, "attributes"> {
  readonly streams: ReadonlyMap<string, ReadonlyArray<Row>>
}

/** The contents up to a global position, inclusive. */
const visible = (contents: Contents, through: number): View =>
  through === Number.POSITIVE_INFINITY
    ? contents
    : { ...contents, streams: new Map([...contents.streams].map(([name, rows]) => [name, upTo(rows, through)])) }

const existsIn = ({ attributes, streams }: View, streamName: string): boolean => {
  const last = streams.get(streamName)?.at(-1)
  return attributes.has(streamName) || (last !== undefined && !isNoticeOfStream(last))
}

/** The ids of the streams of a category that exist, in order. None is empty. */
const idsOf = (contents: View, category: string): ReadonlyArray<string> => {
  const begin = `${category}-`
  const names = new Set([...contents.streams.keys(), ...contents.attributes.keys()])
  return [...names]
    .filter((name) => name.startsWith(begin) && name !== begin && existsIn(contents, name))
    .map((name) => name.slice(begin.length))
    .toSorted(StreamName.Order)
}

const listStreams = (
  contents: View,
  { after, base, category, limit }: StreamListPage
): ReadonlyArray<EncodedStream> =>
  idsOf(contents, category)
    .filter((id) => after === undefined || StreamName.Order(id, after) > 0)
    .slice(base, base + limit)
    .map((id) => ({ id, attributes: contents.attributes.get(`${category}-${id}`) ?? "{}" }))

/** The `at` of a message, by which lists are sorted. */
const atOf = (row: Row): string | undefined => {
  const { at } = metadataOf(row)
  return typeof at === "string" ? at : undefined
}

const listMessages = (rows: ReadonlyArray<Row>, { ascending, base, limit }: MessageListPage) => {
  const direction = ascending ? 1 : -1
  return rows
    .filter((row) => !isMark(row))
    .map((row) => ({ row, at: atOf(row) }))
    .toSorted((a, b) => {
      if (a.at !== undefined && b.at !== undefined && a.at !== b.at) return direction * StreamName.Order(a.at, b.at)
      return Order.Boolean(a.at === undefined, b.at === undefined) || direction * (a.row.position - b.row.position)
    })
    .slice(base, base + limit)
    .map(({ row }) => record(row))
}

/** What a deletion in progress needs. */
interface Deleting extends DeletionRequest {
  readonly log: Log
  readonly newId: () => MessageId
  readonly time: DateTime.Utc
}

const markWith = (note: DeletionNote, what: object) => ({
  type: deletedType,
  data: "null",
  metadata: JSON.stringify({ deleted: { ...note, ...what } })
})

const notice = ({ log, newId, note, time }: Deleting, last: Row, what: object) => {
  const { position, streamName } = last
  push(log, { ...markWith(note, what), id: newId(), streamName, position: position + 1, time })
}

/** Removes the rows of a stream and leaves a notice. A stream whose only row is a notice stays as it is. */
const removeMessages = (deleting: Deleting, streamName: string): void => {
  const last = deleting.log.streams.get(streamName)?.at(-1)
  if (last === undefined || isNoticeOfStream(last)) return
  removeStream(deleting.log, streamName)
  notice(deleting, last, { through: last.position })
}

/** Removes the snapshots of the streams that are deleted. */
const removeSnapshots = (deleting: Deleting, isDeleted: (id: string) => boolean): void => {
  const { copies, log } = deleting
  const names = [...log.streams.keys()].filter((name) => {
    const category = StreamName.category(name)
    const isSnapshot = category === copies.snapshots || category.startsWith(`${copies.snapshots}+`)
    return isSnapshot && Option.exists(StreamName.id(name), isDeleted)
  })
  for (const name of names) removeMessages(deleting, name)
}

/** Erases the errors of the parked messages that are deleted. */
const eraseErrors = ({ copies, log }: Deleting, isDeleted: (reference: Schema.JsonObject) => boolean): void => {
  for (const row of copies.parked.flatMap((category) => log.categories.get(category) ?? [])) {
    const data = objectOf(parseJson(row.data))
    if (data === undefined || !("error" in data) || !isDeleted(data)) continue
    const { failure: _, ...others } = data
    replace(log, { ...row, data: JSON.stringify({ ...others, error: erasedError }) })
  }
}

const deleteMessage = (deleting: Deleting, { id, streamName }: StreamKey, messageId: MessageId): boolean => {
  const { log, note } = deleting
  const row = log.byId.get(messageId)
  const last = log.streams.get(streamName)?.at(-1)
  if (row?.streamName !== streamName || last === undefined || isMark(row)) return false
  const { position } = row
  replace(log, { ...row, ...markWith(note, {}) })
  notice(deleting, last, { position })
  removeSnapshots(deleting, (other) => other === id)
  eraseErrors(deleting, (parked) => parked["streamName"] === streamName && parked["position"] === position)
  return true
}

const deleteStream = (deleting: Deleting, { id, streamName }: StreamKey): boolean => {
  const { log } = deleting
  if (!existsIn(log, streamName)) return false
  log.attributes.delete(streamName)
  removeMessages(deleting, streamName)
  removeSnapshots(deleting, (other) => other === id)
  eraseErrors(deleting, (parked) => parked["streamName"] === streamName)
  return true
}

const countMessages = (rows: ReadonlyArray<Row>): number => rows.filter((row) => !isMark(row)).length

const purge = (deleting: Deleting, category: string): StreamsCount => {
  const { log } = deleting
  const names = idsOf(log, category).map((id) => `${category}-${id}`)
  let messages = 0
  for (const name of names) {
    messages += countMessages(log.streams.get(name) ?? [])
    log.attributes.delete(name)
    removeMessages(deleting, name)
  }
  removeSnapshots(deleting, () => true)
  eraseErrors(
    deleting,
    ({ streamName }) => typeof streamName === "string" && StreamName.category(streamName) === category
  )
  return { streams: names.length, messages }
}

export const make = (
  { changing, reading }: Pick<MemoryTransactions, "changing" | "reading">
): StreamsBackend => {
  /** Makes a deletion. The ids of its notices come from the context of the caller. */
  const deleting = <A>(operation: string, request: DeletionRequest, run: (deleting: Deleting) => A) =>
    Effect.contextWith((context: Context.Context<never>) =>
      changing(operation, (log, time) => run({ ...request, log, time, newId: idMaker(context) }))
    )

  return {
    add: ({ streamName }, attributes) =>
      changing("add", (log) => {
        if (log.attributes.has(streamName)) return false
        log.attributes.set(streamName, attributes)
        return true
      }),
    set: ({ streamName }, attributes) =>
      changing("set", (log) => {
        if (!existsIn(log, streamName)) return false
        log.attributes.set(streamName, attributes)
        return true
      }),
    get: ({ streamName }) =>
      reading((through, contents) =>
        existsIn(visible(contents, through), streamName)
          ? Option.some(contents.attributes.get(streamName) ?? "{}")
          : Option.none()
      ),
    list: (page) => reading((through, contents) => listStreams(visible(contents, through), page)),
    countStreams: (category) => reading((through, contents) => idsOf(visible(contents, through), category).length),
    listMessages: (page) =>
      reading((through, { streams }) => listMessages(upTo(streams.get(page.streamName), through), page)),
    countMessages: (streamName) =>
      reading((through, { streams }) => countMessages(upTo(streams.get(streamName), through))),
    stats: (category) =>
      reading((through, contents) => ({
        streams: idsOf(visible(contents, through), category).length,
        messages: countMessages(upTo(contents.categories.get(category), through))
      })),
    deleteMessage: (stream, id, request) =>
      deleting("deleteMessage", request, (deleting) => deleteMessage(deleting, stream, id)),
    deleteStream: (stream, request) => deleting("deleteStream", request, (deleting) => deleteStream(deleting, stream)),
    wasDeleted: (globalPosition, id) => reading((_, { gone }) => gone.get(globalPosition) === id),
    purge: (category, request) => deleting("purge", request, (deleting) => purge(deleting, category))
  }
}
