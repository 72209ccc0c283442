/**
 * The transcripts of docs/command.md are what the command prints. With `--update` the page gets what it prints now.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import * as Command from "./support/Command.ts"
import { workers } from "./support/Workers.ts"

const file = fileURLToPath(new URL("../../../docs/command.md", import.meta.url))

const page = readFileSync(file, "utf8")

/** The words of a command line, with what is in quotes. */
const words = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? "")

/** What the lines of a block print, each below its command. */
const transcript = Effect.fnUntraced(function*(block: string) {
  const printed: Array<string> = []
  for (const line of block.split("\n").filter((line) => line.startsWith("$ "))) {
    const [, ...args] = words(line.slice(2))
    const { stderr, stdout } = yield* Command.run(
      args.map((arg) => arg === "src/observe.ts" ? Command.application : arg),
      { isTerminal: true, env: { EVENTFOLD_BY: "ann" } }
    )
    printed.push(`${line}\n${stdout.replaceAll("\r\n", "\n")}${stderr}`.trimEnd())
  }
  return printed.join("\n")
})

/** What differs from run to run and from machine to machine, in the same form. */
const comparable = (text: string): string =>
  Command.stable(text)
    .replace(/ +/g, " ")
    .replace(/\b\d+(ms|s|m|h)\b( \d+(ms|s|m|h)\b)?/g, "DURATION")
    .replace(/(Node|PostgreSQL) [\d.]+/g, "$1 VERSION")

layer(Command.Shared.layer, { excludeTestServices: true })("docs/command.md", (it) => {
  it.effect("shows what the command prints", () =>
    Effect.gen(function*() {
      const parts = page.split(/(^<!-- run: workers -->\n|^```console\n.*?^```\n)/ms)
      const actual: Array<string> = []
      for (const part of parts) {
        if (part.startsWith("<!-- run: workers")) yield* workers
        if (!part.startsWith("```console\n")) {
          actual.push(part)
          continue
        }
        const block = part.slice("```console\n".length, -"```\n".length).trimEnd()
        const printed = yield* transcript(block)
        // An id or a time of another run says the same.
        const isSame = comparable(printed) === comparable(block)
        actual.push(`\`\`\`console\n${isSame ? block : printed}\n\`\`\`\n`)
      }
      assert.isAbove(actual.length, 20)
      yield* Effect.promise(() => expect(actual.join("")).toMatchFileSnapshot(file))
    }))
})
