/**
 * Not a test: a process of its own that runs a consumer, for tests that kill it. What its handlers do it writes to the
 * table `handled`: that they begin with a message, and that they end or are interrupted.
 */
import { PgClient } from "@effect/sql-pg"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

export const Settings = Schema.fromJsonString(Schema.Struct({
  url: Schema.String,
  /** What the process is called in the table. */
  worker: Schema.String,
  category: Schema.String,
  concurrency: Schema.Int,
  /** How many messages there are between two positions. */
  every: Schema.Int,
  /** How long, in milliseconds, until one is written anyway. */
  interval: Schema.Int,
  /** How long a handler takes, in milliseconds. */
  millis: Schema.Int,
  /** Whether it parks the messages of streams that are in the table `refused`. Defaults to false, without such a table. */
  parks: Schema.optionalKey(Schema.Boolean)
}))

const program = Effect.gen(function*() {
  const { category, concurrency, every, interval, millis, parks = false, worker } = yield* Schema.decodeUnknownEffect(
    Settings
  )(
    process.argv[2]
  )
  const sql = yield* SqlClient
  const log = (phase: string, { globalPosition, position, streamName }: RecordedMessage) =>
    sql`INSERT INTO handled (worker, phase, stream, position, global_position)
      VALUES (${worker}, ${phase}, ${streamName}, ${position}, ${globalPosition})`
  const refuse = ({ streamName }: RecordedMessage) =>
    Effect.flatMap(
      sql`SELECT FROM refused WHERE stream = ${streamName}`,
      ({ length }) => length === 0 ? Effect.void : new Refused()
    )

  const onFailure = parks ? { onFailure: "park", retry: Schedule.recurs(0) } as const : {}
  return yield* Consumer.run(
    Consumer.make("test", { concurrency, checkpoint: { every, interval }, ...onFailure }).on(category, {
      Numbered: (message) =>
        (parks ? refuse(message) : Effect.void).pipe(
          Effect.andThen(log("begin", message)),
          Effect.andThen(Effect.sleep(millis)),
          Effect.andThen(log("end", message)),
          Effect.onInterrupt(() => log("interrupted", message))
        )
    })
  )
})

const layer = Effect.map(
  Schema.decodeUnknownEffect(Settings)(process.argv[2]),
  ({ url, worker }) =>
    Postgres.layerClient().pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), applicationName: worker }))
    )
)

if (import.meta.main) await Effect.runPromise(Effect.provide(program, Layer.unwrap(layer)))
