/**
 * The trace of who writes a message, carried in its metadata to those who handle it: W3C's `traceparent`.
 *
 * Reading it is always on: what `Consumer` traces is linked to it, whoever wrote it. Writing it is off, until a program has
 * the {@link layer}.
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
 * Whether `MessageStore.append` and `writeAll` write the current span into the metadata of messages that have no
 * `traceparent`. Default: they do not.
 *
 * @since 0.1.0
 */
export const TraceContext = Context.Reference<boolean>("eventfold/TraceContext", { defaultValue: () => false })

/**
 * Has every append of the program write its span, if that is sampled, as `traceparent` into the metadata of messages that
 * have none. A span is sampled without an exporter too, unless `References.MinimumTraceLevel` says otherwise.
 *
 * An append that is sent again has another span. So stores leave `traceparent` out when they compare a message with the one
 * that is recorded under its id.
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
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.succeed(TraceContext, true)

/**
 * What an append in this context is to write as `traceparent`: the current span, if there is a sampled one and writing it is
 * on.
 *
 * @internal
 */
export const currentIn = (context: Context.Context<never>): string | undefined => {
  if (!Context.get(context, TraceContext)) return undefined
  const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
  return span?._tag === "Span" && span.sampled ? HttpTraceContext.toHeaders(span)["traceparent"] : undefined
}

/**
 * The span that a message's metadata carries; none when there is no `traceparent`, or one that is not of version 00.
 *
 * @since 0.1.0
 */
export const fromMetadata = (metadata: Schema.Json): Option.Option<Tracer.ExternalSpan> => {
  if (typeof metadata !== "object" || metadata === null || !("traceparent" in metadata)) return Option.none()
  const { traceparent } = metadata
  return typeof traceparent === "string"
    ? HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent }))
    : Option.none()
}
