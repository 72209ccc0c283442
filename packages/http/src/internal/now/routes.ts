/**
 * The routes of what happens now, as far as the sender may see it.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as StreamName from "eventfold/StreamName"
import { Api } from "../../Api.ts"
import { historySeconds, Now, type NowHistory } from "../../NowApi.ts"
import { Principal } from "../../Principal.ts"
import { authorizeSome } from "../authentication/access.ts"
import { maySee } from "../authentication/sight.ts"
import { Closing } from "../limits/closing.ts"
import { OpenAnswers } from "../limits/openAnswers.ts"
import * as Hub from "./hub.ts"
import { firstErrors, type Seen } from "./readers.ts"

type IsSeen = (categories: ReadonlyArray<string>) => boolean

const seenOf = <A>(all: ReadonlyArray<Seen<A>>, isSeen: IsSeen): ReadonlyArray<A> =>
  all.filter(({ needs }) => isSeen(needs)).map(({ shown }) => shown)

const shownTo = (isSeen: IsSeen, { attention, errors, look, rate, readers }: Hub.Now): typeof Now.Type => {
  const { at, end, newest, survey } = look
  const isNewestSeen = newest !== undefined && isSeen([StreamName.category(newest.streamName)])
  return {
    time: DateTime.makeUnsafe(at),
    lagsAt: DateTime.makeUnsafe(survey.at),
    end,
    newest: isNewestSeen
      ? { message: newest, age: Math.max(0, at - DateTime.toEpochMillis(newest.time)) }
      : null,
    rate,
    readers: seenOf(readers, isSeen),
    attention: seenOf(attention, isSeen),
    errors: firstErrors(seenOf(errors, isSeen))
  }
}

/** A key of a reader, the same at all times. */
const keyOf = ({ category, kind, reader }: typeof NowHistory.Type["readers"][number]): string =>
  JSON.stringify([kind, reader, category])

const columnsOf = (samples: ReadonlyArray<Hub.Sample>, isSeen: IsSeen): typeof NowHistory.Type => {
  const rows = samples.map(({ readers }) => seenOf(readers, isSeen))
  const readers = new Map<string, { readonly ages: Array<number | null> } & typeof NowHistory.Type["readers"][number]>()
  rows.forEach((row, index) => {
    for (const { category, kind, lag, reader } of row) {
      const fresh = { kind, reader, category, ages: samples.map((): number | null => null) }
      const column = readers.get(keyOf(fresh)) ?? fresh
      column.ages[index] = lag.age
      readers.set(keyOf(fresh), column)
    }
  })
  return {
    times: samples.map(({ at }) => at),
    ends: samples.map(({ end }) => end),
    readers: [...readers.values()]
  }
}

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(Now)))

const group = HttpApiBuilder.group(
  Api,
  "now",
  Effect.fnUntraced(function*(handlers) {
    const hub = yield* Hub.Hub
    const count = yield* OpenAnswers
    const closing = yield* Closing

    /** What the sender may see, if it may see anything. */
    const sight = Effect.andThen(authorizeSome("read"), maySee)

    return handlers.handleAll({
      now: Effect.fnUntraced(function*() {
        const isSeen = yield* sight
        return shownTo(isSeen, yield* hub.now)
      }),

      feed: Effect.fnUntraced(function*() {
        const isSeen = yield* sight
        const { name } = yield* Principal
        yield* count(name)
        const looks = yield* hub.feed
        const bytes = looks.pipe(
          Stream.mapEffect((exit) =>
            Exit.match(exit, {
              // A look is made of what the schema describes.
              onSuccess: (now) =>
                Effect.map(Effect.orDie(encode(shownTo(isSeen, now))), (data) => `event: now\ndata: ${data}\n\n`),
              onFailure: () =>
                Effect.succeed(`event: away\ndata: ${JSON.stringify({ detail: "the store did not answer" })}\n\n`)
            })
          ),
          Stream.interruptWhen(closing),
          Stream.encodeText
        )
        // Proxies hold back what they buffer; nginx asks this header.
        return HttpServerResponse.stream(bytes, {
          contentType: "text/event-stream",
          headers: { "x-accel-buffering": "no" }
        })
      }),

      history: Effect.fnUntraced(function*({ query: { for: seconds = historySeconds } }) {
        const isSeen = yield* sight
        return columnsOf(yield* hub.history(seconds), isSeen)
      })
    })
  })
)

export const layer = group.pipe(Layer.provide(Hub.layer))
