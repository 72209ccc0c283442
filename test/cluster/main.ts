/**
 * Shows how members of a consumer move between machines: `pnpm cluster-demo`, `pnpm cluster-demo --kills 20 --members 96`. It starts a
 * PostgreSQL and three machines on this one, writes, and kills one of them at random again and again.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@eventfold/example-command-line/Main"
import { Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Demo from "./Demo.ts"

/** Something was lost, and the last line says what. */
class Wrong extends Data.TaggedError("Wrong") {
  override readonly [Runtime.errorReported] = false
}

const whole = (name: string, least: number, description: string, value: number) =>
  Flag.Int(name).pipe(
    Flag.withDescription(`${description}, ${value} by default`),
    Flag.filter((given) => given >= least, () => `a whole number from ${least}`),
    Flag.withDefault(value)
  )

const command = Command.make(
  "cluster-demo",
  {
    by: Flag.Literals("by", ["kill", "stop", "freeze"]).pipe(
      Flag.withDescription("What is done to a machine: SIGKILL, SIGTERM, or SIGSTOP; kill by default"),
      Flag.withDefault("kill")
    ),
    kills: whole("kills", 1, "To how many machines it is done, one after the other", 10),
    machines: whole("machines", 2, "How many machines run", 3),
    members: whole("members", 1, "How many members the consumer's group has", 12),
    pause: whole("pause", 0, "How many milliseconds pass before the next one", 3_000)
  },
  Effect.fnUntraced(function*(options) {
    const { handled, outOfOrder, repeated, skipped, takeovers } = yield* Demo.run(options, Console.log)
    yield* Console.log(
      `${repeated} of them more than once, since the last checkpoint of a machine`
    )
    yield* Console.log(
      `handled=${handled} skipped=${skipped} out-of-order=${outOfOrder} takeover-p50=${
        Math.round(Demo.median(takeovers))
      }`
    )
    if (skipped > 0 || outOfOrder > 0) return yield* new Wrong()
  })
)

Main.run(Effect.provide(Command.run(command, { version: "0.0.0" }), NodeServices.layer))
