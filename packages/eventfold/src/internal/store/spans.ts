/**
 * The spans of what a program does often. A span costs as much as the rest of such an operation, so there are none where nothing would
 * see them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { TraceContext } from "../../TraceContext.ts"

/** Whether something sees spans: a tracer of the application, or the readers of messages, whose metadata has the writer's span. */
export const isTraced = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer || Context.get(context, TraceContext)

/**
 * Runs an effect in a span, which it gets to set attributes; in none, and `undefined`, where nothing would see it.
 *
 * Not `Effect.withSpan` or `Effect.fn`, which take a stack trace for each call.
 */
export const inSpan = <A, E, R>(
  name: string,
  options: () => Tracer.SpanOptionsNoTrace | undefined,
  run: (span: Tracer.Span | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    isTraced(context)
      ? Effect.useSpan(name, options() ?? {}, (span) => Effect.provideService(run(span), Tracer.ParentSpan, span))
      : run(undefined)
  )
