import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { RecordedMessage } from "../../Message.ts"
import * as TraceContext from "../../TraceContext.ts"
import type { Subject } from "./subject.ts"

/** Makes the handling of messages a span. */
export type Traced = <A, E, R>(
  messages: Arr.NonEmptyReadonlyArray<RecordedMessage>,
  handling: Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

/** As many as OpenTelemetry keeps of a span. */
const maxLinks = 128

const linksTo = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<Tracer.SpanLink> =>
  messages.slice(0, maxLinks).flatMap(({ metadata }) =>
    Option.match(TraceContext.fromMetadata(metadata), {
      onNone: () => [],
      onSome: (span) => [{ span, attributes: {} }]
    })
  )

/**
 * The spans of a consumer or read model, each a trace of its own that is linked to the spans that wrote the messages: it runs
 * as long as its process, and a trace of all that would be no help.
 *
 * Without a tracer, and without anything that would pass a span on, there are none: making them is about as much work as
 * the rest of what it does.
 */
export const make = Effect.fnUntraced(function*({ span }: Subject): Effect.fn.Return<Traced> {
  const tracer = yield* Effect.tracer
  const isSeen = tracer !== Tracer.nativeTracer || (yield* TraceContext.TraceContext)
  if (!isSeen) return (_messages, handling) => handling
  return (messages, handling) => {
    const [first] = messages
    return Effect.withSpan(handling, span.name, {
      kind: "consumer",
      root: true,
      captureStackTrace: false,
      links: linksTo(messages),
      attributes: {
        ...span.attributes,
        ...(messages.length === 1
          ? {
            "eventfold.stream": first.streamName,
            "eventfold.position": first.position,
            "eventfold.global_position": first.globalPosition,
            "eventfold.type": first.type,
            "eventfold.message_id": first.id
          }
          : { "eventfold.global_position": first.globalPosition, "eventfold.messages": messages.length })
      }
    })
  }
})
