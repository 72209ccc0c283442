import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem, Stream } from "effect"
import { ReadModel } from "eventfold"
import { fileURLToPath } from "node:url"
import { orders } from "../src/ReadModels.ts"

const { prints, run, spawn, unread } = Program.make(fileURLToPath(new URL("../src/main.ts", import.meta.url)))

/** Runs it until it has printed all of these, each of them in a line of its own, and asks it to stop. */
const runUntil = Effect.fnUntraced(function*(folder: string, args: string, parts: ReadonlyArray<string>) {
  const child = yield* spawn(folder, args)
  const missing = new Set(parts)
  const lines: Array<string> = []
  const reading = child.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach(Effect.fnUntraced(function*(line) {
      lines.push(line)
      const wasMissing = missing.size > 0
      for (const part of missing) if (line.includes(part)) missing.delete(part)
      if (wasMissing && missing.size === 0) yield* Effect.forkScoped(child.kill({ killSignal: "SIGTERM" }))
    })),
    Effect.timeoutOrElse({
      duration: "3 minutes",
      orElse: () => Effect.die(new Error(`waited in vain for ${[...missing].join(", ")} in\n${lines.join("\n")}`))
    })
  )
  const [, stderr, code] = yield* Effect.all([reading, Program.text(child.stderr), child.exitCode], {
    concurrency: "unbounded"
  })
  return { lines, stderr, code: Number(code) }
}, Effect.scoped)

/** The rows of the table whose first column is called so, without its head. */
const rows = (output: string, column: string) => {
  const tables = output.split("┌").map((table) =>
    table.split("\n").filter((line) => line.startsWith("│")).map((line) =>
      line.split("│").slice(1, -1).map((cell) => cell.trim())
    )
  )
  return tables.find(([head]) => head?.[0] === column)?.slice(1) ?? []
}

const idle = [
  ["payments", "payment:command", "0", "0"],
  ["shipping", "shipping", "0", "0"],
  ["fulfilment", "order", "0", "0"],
  ["fulfilment", "payment", "0", "0"],
  ["fulfilment", "shipping", "0", "0"],
  ["fulfilment", "fulfilment:deadline", "0", "0"]
]

const caughtUp = [
  ["orders", "order, payment, shipping", "1", "live", "0"],
  ["revenue", "payment", "1", "live", "0"]
]

it.layer(NodeServices.layer, { excludeTestServices: true })("the orders", (it) => {
  it.effect("have a tour that leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* Program.temporaryFolder
      const tour = yield* prints(folder, "")
      for (
        const part of [
          "1001   order shipped (parcel-1001)\n",
          "the card \"flaky\": no connection, attempt 2\n",
          "1002   order shipped (parcel-1002)\n",
          "1003   order cancelled: the card is expired\n",
          "1004   order cancelled: not paid within 1s\n",
          "1004     payment: refunded €35.00\n",
          "\npayment:command-1005: Charge failed 4 times: ProviderFailed: ",
          "1005   order shipped (parcel-1005)\n"
        ]
      ) assert.include(tour, part)
      for (const line of tour.split("\n").filter((line) => /^\d/.test(line))) {
        assert.match(line, /^\d\d:\d\d:\d\d\.\d{3}  (100[1-5]|    )   ?\S?/)
      }
      assert.deepStrictEqual(rows(tour, "consumer"), idle)
      assert.deepStrictEqual(rows(tour, "read model"), caughtUp)
      assert.deepStrictEqual(rows(tour, "status"), [["shipped", "3", "€164.00"], ["cancelled", "2", "€65.00"]])
      // Over midnight there are two of them.
      const days = rows(tour, "day")
      for (const [day = ""] of days) assert.match(day, /^\d{4}-\d\d-\d\d$/)
      assert.strictEqual(days.reduce((sum, [, orders]) => sum + Number(orders), 0), 3)
      assert.isTrue(tour.endsWith("\nrevenue: €164.00"))
      assert.deepStrictEqual(yield* fs.readDirectory(folder), [])
    }))

  it.effect.skipIf(!Program.isLong)("end quietly when their reader does", () =>
    Effect.gen(function*() {
      const folder = yield* Program.temporaryFolder
      // `run` ends by itself only when it is stopped.
      for (const args of ["", "run"]) assert.strictEqual(yield* unread(folder, args), "exit code 0\n", args)
    }))

  it.effect("resume where they were stopped", () =>
    Effect.gen(function*() {
      const folder = yield* Program.temporaryFolder
      assert.strictEqual(yield* prints(folder, "place 1 --pay-within 600"), "placed 1: €20.00")
      yield* prints(folder, "place 2 --card slow --pay-within 600 --teapots 2")
      yield* prints(folder, "place 3 --card broken --pay-within 600 --teapots 3")
      assert.deepStrictEqual(yield* run(folder, "place 1"), {
        stdout: "",
        stderr: "error: the order 1 already exists: give the new one another id\n",
        code: 1
      })

      // In the middle: the payment of one order hangs, and that of another has just failed for the first time.
      const first = yield* runUntil(folder, "run", [
        "\"slow\": no answer yet",
        "\"broken\": 500",
        "1      order shipped"
      ])
      assert.deepStrictEqual([first.code, first.lines.at(-1)], [0, "stopped"])
      assert.deepStrictEqual(rows(yield* prints(folder, "status"), "status"), [
        ["placed", "2", "€100.00"],
        ["shipped", "1", "€20.00"]
      ])
      // The payment that failed may have been parked by then.
      yield* prints(folder, "replay")
      const second = yield* runUntil(folder, "run --repaired --slow-for 0", [
        "2      order shipped",
        "3      order shipped"
      ])
      assert.deepStrictEqual([second.stderr, second.code], ["", 0])
      // What the first run has done is not done again.
      assert.deepStrictEqual(second.lines.filter((line) => / 1 {6}/.test(line)), [])
      const status = yield* prints(folder, "status")
      assert.deepStrictEqual(rows(status, "status"), [["shipped", "3", "€120.00"]])
      assert.strictEqual(
        [...first.lines, ...second.lines].filter((line) => line.includes("payment: charged")).length,
        3
      )
      assert.isTrue(status.endsWith("revenue: €120.00"))
    }))

  it.effect("park what fails for good, and replay it on request", () =>
    Effect.gen(function*() {
      const folder = yield* Program.temporaryFolder
      yield* prints(folder, "place 7 --card broken --pay-within 600")
      assert.strictEqual(yield* prints(folder, "parked"), "nothing is parked")
      const first = yield* runUntil(folder, "run", ["7      parked"])
      assert.strictEqual(first.code, 0)
      const why = "payment:command-7: Charge failed 4 times: ProviderFailed: "
      assert.isTrue((yield* prints(folder, "parked")).startsWith(why))
      const inspected = yield* prints(folder, "inspect 7")
      assert.deepStrictEqual(rows(inspected, "consumer").map((row) => row.at(3)), ["1", "0", "0", "0", "0", "0"])
      assert.deepStrictEqual(rows(inspected, "runs"), [])
      assert.deepStrictEqual(rows(inspected, "deadline").map(([name, of]) => [name, of]), [["payment", "fulfilment 7"]])
      assert.deepStrictEqual(rows(inspected, "type"), [
        ["Charge", "payment:command", "1", "0"],
        ["Placed", "order", "1", "0"],
        ["Started", "fulfilment", "1", "0"]
      ])
      assert.deepInclude(rows(inspected, "entity"), ["parcel", "\"none\""])
      assert.strictEqual(
        yield* prints(folder, "replay"),
        "replay requested for 1 order: at once, or when the program runs"
      )
      const second = yield* runUntil(folder, "run --repaired", ["7      order shipped"])
      assert.strictEqual(second.code, 0)
      assert.strictEqual(yield* prints(folder, "parked"), "nothing is parked")
    }))

  it.effect(
    "have tables, which show an order at once, and are rebuilt when their definition has changed",
    () =>
      Effect.gen(function*() {
        const folder = yield* Program.temporaryFolder
        yield* prints(folder, "place 9 --teapots 2")
        const [order] = rows(yield* prints(folder, "report 9"), "order")
        assert.deepStrictEqual(order?.toSpliced(3, 1), ["9", "placed", "€40.00", "open", ""])

        yield* ReadModel.accept({ ...orders, fingerprint: "of another definition" }).pipe(
          Effect.provide(CommandLine.databaseLayer({ store: "embedded", data: `${folder}/.eventfold` }))
        )
        const refused = yield* run(folder, "status")
        assert.deepStrictEqual(rows(refused.stdout, "read model"), caughtUp)
        assert.deepStrictEqual([refused.code, refused.stderr], [
          1,
          "error: the definition of the read model orders has changed, but its version is still 1: " +
          "rebuild it with npx pnpm orders rebuild orders\n"
        ])
        assert.strictEqual(yield* prints(folder, "rebuild orders --throttle 1000"), "rebuilt orders: messages 1")
        assert.deepStrictEqual(rows(yield* prints(folder, "report"), "status"), [["placed", "1", "€40.00"]])
      })
  )
})
