/**
 * Carries the trace of a message's writer to its handlers, in the metadata: W3C's `traceparent`.
 *
 * Consumers always read it, and link the spans of their handlers to it. Programs write it only with the {@link layer}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"

/**
 * Whether `MessageStore.append` and `writeAll` write the current span into the metadata of messages without a `traceparent`.
 * Defaults to false.
 *
 * @category references
 * @since 0.1.0
 */
export const TraceContext = Context.Reference<boolean>("eventfold/TraceContext", { defaultValue: () => false })

/**
 * Makes every append write its span as `traceparent` into the metadata of messages that have none.
 *
 * **Details**
 *
 * Only a sampled span is written. A span is sampled even without an exporter, unless `References.MinimumTraceLevel` says
 * otherwise.
 *
 * A repeated append has another span. So stores ignore `traceparent` when they compare a message with the one that is recorded
 * under its id.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { MessageStore, TraceContext } from "eventfold"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* MessageStore.MessageStore
 *   yield* store.append("account-123", { type: "Closed", data: {} })
 *   const last = yield* store.lastMessage("account-123")
 *   yield* Effect.log(last) // metadata: { traceparent: "00-3c5b...-91ad...-01" }
 * })
 *
 * program.pipe(Effect.provide(Layer.merge(MessageStore.layerMemory, TraceContext.layer)))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.succeed(TraceContext, true)

/**
 * What an append in this context writes as `traceparent`: the current span if it is sampled, and if the program has the layer.
 *
 * @internal
 */
export const currentIn = (context: Context.Context<never>): string | undefined => {
  if (!Context.get(context, TraceContext)) return undefined
  const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
  return span?._tag === "Span" && span.sampled ? HttpTraceContext.toHeaders(span)["traceparent"] : undefined
}

/**
 * The span in a message's metadata; none without a `traceparent` of version 00.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromMetadata = (metadata: Schema.Json): Option.Option<Tracer.ExternalSpan> => {
  if (typeof metadata !== "object" || metadata === null || !("traceparent" in metadata)) return Option.none()
  const { traceparent } = metadata
  return typeof traceparent === "string"
    ? HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent }))
    : Option.none()
}
