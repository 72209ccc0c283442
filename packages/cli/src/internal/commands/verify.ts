/**
 * The command that looks at everything.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Verify from "eventfold/Verify"
import * as Stores from "../connection/stores.ts"
import { ProblemsFound } from "../failures/errors.ts"
import { inWords } from "../output/cells.ts"
import * as Print from "../output/print.ts"
import { print, tell } from "../output/terminal.ts"
import { sarif } from "./sarif.ts"

const Row = Schema.Struct({
  level: Schema.Literals(["error", "warning", "note"]),
  message: Schema.String,
  remedy: Schema.String,
  finding: Verify.Finding
})

const rowOf = (finding: Verify.Finding): typeof Row.Type => {
  const { level, remedy } = Verify.rules[finding._tag]
  return { level, message: Verify.format(finding), remedy, finding }
}

/** Looks at everything in the store. */
export const verify = Command.make("verify", {
  sarif: Flag.Boolean("sarif").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Print SARIF 2.1.0, which CI systems read")
  )
}, (flags) =>
  Effect.gen(function*() {
    let messages = 0
    let problems = 0
    const found = Verify.run({ onVerified: (what) => Effect.sync(() => messages = what.messages) }).pipe(
      Stream.tap(({ _tag }) =>
        Effect.sync(() => {
          if (Verify.rules[_tag].level !== "note") problems += 1
        })
      ),
      Stream.provide(Stores.messageStore())
    )
    if (flags.sarif) {
      const findings = yield* Stream.runCollect(found)
      yield* print(JSON.stringify(sarif(findings, messages), undefined, 2))
    } else {
      const isTable = yield* Print.isTable
      yield* Print.rows(Stream.map(found, rowOf), {
        schema: Row,
        columns: [
          { title: "level", cell: ({ level }) => level },
          { title: "rule", cell: ({ finding }) => finding._tag },
          { title: "finding", cell: ({ message }) => message },
          ...(isTable ? [] : [{ title: "remedy", cell: ({ remedy }: typeof Row.Type) => remedy }])
        ],
        note: ({ remedy }) => Option.some(`→ ${remedy}`),
        none: "nothing is wrong"
      })
    }
    yield* tell(`${inWords(messages, "message")} ${messages === 1 ? "was" : "were"} looked at`)
    if (problems > 0) return yield* ProblemsFound.of(problems)
  })).pipe(
    Command.withDescription(
      "Looks at everything in the store, in one consistent view beside writers: positions without gaps, unique ids, the order of streams, " +
        "data that can be read, the sequence, and functions, views, columns and indexes as installed, bound to nothing of others. " +
        "It takes about as long as to copy the table out, and changes nothing. Exit code 4 when something is wrong"
    ),
    Command.withShortDescription("Check everything that is stored"),
    Command.withExamples([
      { command: "eventfold verify", description: "After a restore" },
      { command: "eventfold verify --sarif > eventfold.sarif", description: "For CI" }
    ])
  )
