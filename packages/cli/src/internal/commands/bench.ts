/**
 * The command that measures the user's own store.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Bench from "eventfold/Bench"
import * as Stores from "../connection/stores.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { tell } from "../output/terminal.ts"

const Row = Schema.Struct({ ...Bench.Figure.fields, meaning: Schema.String, remains: Bench.Remains })

/** Three digits say more than was measured, and are easy to compare. */
const short = (value: number): number => Number(value.toPrecision(3))

/** Measures the store. */
export const bench = Command.make("bench", {
  seconds: Flag.Finite("seconds").pipe(
    Flag.withDefault(2),
    Flag.withDescription("How long each of three parts takes; 2 by default")
  ),
  callers: Flag.Int("callers").pipe(
    Flag.withDefault(64),
    Flag.withDescription("How many callers append at once; 64 by default")
  )
}, ({ callers, seconds }) =>
  Effect.gen(function*() {
    yield* confirm(
      `Write to this store for ${2 * seconds} seconds, in a category of its own, and remove it afterwards?`
    )
    const { figures, remains } = yield* Bench.run({ callers, duration: Duration.seconds(seconds) })
    const rows = figures.map((figure) => Object.assign({}, figure, { meaning: Bench.meanings[figure.name], remains }))
    yield* Print.list(rows, {
      schema: Row,
      columns: [
        { title: "work", cell: ({ name }) => name },
        { title: "callers", cell: ({ callers }) => callers },
        { title: "messages", cell: ({ messages }) => messages },
        { title: "a second", cell: ({ rate }) => Math.round(rate) },
        { title: "median ms", cell: ({ median }) => Option.getOrUndefined(Option.map(median, short)) },
        { title: "p99 ms", cell: ({ p99 }) => Option.getOrUndefined(Option.map(p99, short)) }
      ],
      note: ({ meaning }) => Option.some(`→ ${meaning}`),
      none: ""
    })
    yield* tell(
      Option.match(remains.reason, {
        onNone: () =>
          `its messages are removed; ${remains.messages} notices of that stay in the category ${remains.category}`,
        onSome: (reason) => `${remains.messages} messages stay in the category ${remains.category}: ${reason}`
      })
    )
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Measures this store for some seconds: appends of one caller, appends of many, and reads, of messages of about 300 bytes. It writes to " +
        "a category of its own, and removes it where its user may delete. Run it twice, and where your programs run: the network counts. " +
        "It asks first"
    ),
    Command.withShortDescription("Measure appends and reads"),
    Command.withExamples([
      { command: "eventfold bench --yes" },
      { command: "eventfold bench --seconds 10 --callers 256", description: "Longer, and with more callers" }
    ])
  )
