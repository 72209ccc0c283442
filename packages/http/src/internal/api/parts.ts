/**
 * What the definitions of several groups of routes share.
 */
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Problem from "../../Problem.ts"

/** A name, an id, or words. */
export const text = Schema.NonEmptyString

/** A position in a stream. */
export const position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A position in the store, or another number from 1. */
export const globalPosition = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** A time without a zone would be another moment on another server. */
export const timeWithZone = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/, {
    expected: "a time with its zone, such as 2026-11-29T10:00:00Z"
  })
)

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

/** The problems of a read that takes nothing of the request but a name. */
export const onList = [Problem.Forbidden, Problem.Unavailable] as const

/** The events that all answers have which tell of something as it runs: that it still does, and the problem with which it ended. */
export const runEvents = [
  Schema.Struct({ event: Schema.Literal("heartbeat"), data: Schema.fromJsonString(Schema.Struct({})) }),
  Schema.Struct({
    event: Schema.Literal("failed"),
    data: Schema.fromJsonString(Schema.Struct({
      type: Schema.String,
      title: Schema.String,
      status: Schema.Int,
      detail: Schema.optionalKey(Schema.String)
    }))
  })
] as const
