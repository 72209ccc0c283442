import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { RecordedMessage } from "../../Message.ts"
import * as TraceContext from "../../TraceContext.ts"
import { messaging } from "../runtime/semantics.ts"
import { isTraced } from "../store/spans.ts"
import type { Subject } from "./subject.ts"

/** Wraps the handling of messages in a span. */
export type Traced = <A, E, R>(
  messages: Arr.NonEmptyReadonlyArray<RecordedMessage>,
  handling: Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

/** OpenTelemetry keeps this many links of a span. */
const maxLinks = 128

const linksTo = (messages: ReadonlyArray<RecordedMessage>): ReadonlyArray<Tracer.SpanLink> =>
  messages.slice(0, maxLinks).flatMap(({ metadata }) =>
    Option.match(TraceContext.fromMetadata(metadata), {
      onNone: () => [],
      onSome: (span) => [{ span, attributes: {} }]
    })
  )

/**
 * The spans of a consumer or read model. Each is the root of a trace, linked to the spans that wrote the messages: a consumer
 * runs as long as its process, and one trace of all that time would help nobody.
 *
 * Without a tracer and without `TraceContext` there are no spans: they cost as much as the rest of handling a message.
 */
export const make = Effect.fnUntraced(function*({ span }: Subject): Effect.fn.Return<Traced> {
  const attributes = {
    ...messaging,
    "messaging.operation.name": span.name,
    "messaging.operation.type": "process",
    ...span.attributes
  }
  if (!isTraced(yield* Effect.context<never>())) return (_messages, handling) => handling
  return (messages, handling) => {
    const [first] = messages
    return Effect.withSpan(handling, span.name, {
      kind: "consumer",
      root: true,
      captureStackTrace: false,
      links: linksTo(messages),
      attributes: {
        ...attributes,
        ...(messages.length === 1
          ? {
            "messaging.message.id": first.id,
            "eventfold.stream": first.streamName,
            "eventfold.position": first.position,
            "eventfold.global_position": first.globalPosition,
            "eventfold.type": first.type
          }
          : { "messaging.batch.message_count": messages.length, "eventfold.global_position": first.globalPosition })
      }
    })
  }
})
