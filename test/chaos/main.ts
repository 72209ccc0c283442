/**
 * Kills, freezes and cuts off workers and servers in an order of chance, and tells whether anything was lost: `pnpm chaos`,
 * `pnpm chaos --minutes 60 --seed 42`.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@eventfold/example-command-line/Main"
import { Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as Chaos from "./Chaos.ts"
import * as Table from "./Table.ts"

/** Something is wrong, and the table says what. */
class Wrong extends Data.TaggedError("Wrong") {
  override readonly [Runtime.errorReported] = false
}

const whole = (flag: Flag.Flag<number>) =>
  Flag.filter(flag, (value) => value >= 1, (value) => `is ${value}, and must be a whole number from 1`)

const command = Command.make(
  "chaos",
  {
    minutes: Flag.Finite("minutes").pipe(
      Flag.withDescription("The run ends with the round that is at work after this time"),
      Flag.filter((value) => value > 0, (value) => `is ${value}, and must be above 0`),
      Flag.withDefault(10)
    ),
    kills: Flag.Int("kills").pipe(
      whole,
      Flag.withDescription("Or with the round in which there have been so many kills"),
      Flag.optional
    ),
    seed: Flag.String("seed").pipe(
      Flag.withDescription(
        "The same seed gives the same faults in the same order. Defaults to one of chance, which is printed"
      ),
      Flag.optional
    ),
    workers: Flag.Int("workers").pipe(whole, Flag.withDescription("How many workers run"), Flag.withDefault(4)),
    faults: Flag.Int("faults").pipe(whole, Flag.withDescription("How many faults a round has"), Flag.withDefault(40))
  },
  Effect.fnUntraced(function*({ faults, kills, minutes, seed, workers }) {
    const chosen = Option.getOrElse(seed, () => "")
    const used = chosen === "" ? String(yield* Random.nextIntBetween(0, 1_000_000)) : chosen
    yield* Console.log(`seed ${used}`)
    const report = yield* Chaos.run({
      seed: used,
      time: Duration.minutes(minutes),
      kills: Option.getOrUndefined(kills),
      workers,
      writers: 3,
      faults
    }, Console.log)
    yield* Console.log(`\n${Table.lines(report).join("\n")}`)
    if (report.violations.length > 0) return yield* new Wrong()
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs workers on a PostgreSQL with a standby, does faults to all of them by a seed, and compares what was acknowledged with "
      + "what is there. Exits with 1 when anything is lost, out of order or different"
  )
)

Command.run(command, { version: "0.1.0" }).pipe(
  Effect.tapErrorTag("ChaosError", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  Main.run
)
