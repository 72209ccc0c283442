/**
 * Not a test: a program of consumers, as a user writes it. `hostChild.ts MODE URL` runs the consumers of a mode. Their
 * handlers print lines with global positions: `one begins 3`, `one ends 3`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Postgres } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Consumer from "eventfold/Consumer"
import type { RecordedMessage } from "eventfold/Message"

const [, , mode = "", url = ""] = process.argv

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {
  override get message(): string {
    return "refused by the handler"
  }
}

/** A consumer whose handler prints a line before and after it works. */
const telling = <E>(
  id: string,
  work: Effect.Effect<unknown, E>,
  options: Consumer.Options = {}
) => {
  const handle = ({ globalPosition }: RecordedMessage) =>
    Effect.gen(function*() {
      yield* say(`${id} begins ${globalPosition}`)
      yield* work
      yield* say(`${id} ends ${globalPosition}`)
    })
  return Consumer.make(id, { ...options }).on("account", { Numbered: handle })
}

const modes = {
  slow: Layer.mergeAll(
    Consumer.layer(telling("one", Effect.sleep("30 millis"))),
    Consumer.layer(telling("many", Effect.sleep("100 millis"), { concurrency: 3 }))
  ),
  hanging: Layer.mergeAll(
    Consumer.layer(telling("one", Effect.never, { grace: "2 seconds" })),
    Consumer.layer(telling("two", Effect.promise(() => new Promise(() => {})), { grace: "2 seconds" }))
  ),
  failing: Layer.mergeAll(
    Consumer.layer(telling("good", Effect.void)),
    Consumer.layer(
      telling("bad", Effect.andThen(Effect.sleep("300 millis"), new Refused()), { retry: Schedule.recurs(0) })
    )
  )
}

process.on("SIGTERM", () => process.stdout.write("asked to stop\n"))

const App = (modes as Record<string, typeof modes["slow"] | typeof modes["failing"]>)[mode] ?? Layer.empty

Consumer.launch(Layer.provide(App, Postgres.layer({ url: Redacted.make(url) }))).pipe(
  NodeRuntime.runMain({ teardown: Consumer.teardown })
)
