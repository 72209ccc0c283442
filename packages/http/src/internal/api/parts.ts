/**
 * What the definitions of several groups of routes share.
 */
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Problem from "../../Problem.ts"

/** A position in a stream. */
export const position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A position in the store, or another number from 1. */
export const globalPosition = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

export const limitQuery = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)).annotate({
  description: "The most messages of the page. Defaults to 100"
})

export const etag = { etag: Schema.String.annotate({ description: "The version of the stream, such as `\"12\"`" }) }

export const traceparent = {
  traceparent: Schema.optionalKey(Schema.String.annotate({
    description: "The trace of the writer, by W3C. Messages without one keep it in their metadata"
  }))
}

export const described = (summary: string, description: string) => OpenApi.annotations({ summary, description })

/** The problems of every read. */
export const onRead = [Problem.InvalidRequest, Problem.Forbidden, Problem.Unavailable] as const
