import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem, Stream } from "effect"
import { fileURLToPath } from "node:url"

const { prints, run, spawn, unread } = Program.make(fileURLToPath(new URL("../src/main.ts", import.meta.url)), {
  USER: "Tess"
})

const assertOneLineError = Effect.fnUntraced(function*(folder: string, args: string, line: string) {
  const { code, stderr, stdout } = yield* run(folder, args)
  assert.deepStrictEqual([stderr, stdout, code], [`error: ${line}\n`, "", 1], args)
})

it.layer(NodeServices.layer, { excludeTestServices: true })("the bank", (it) => {
  it.effect("has a tour, which leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* Program.temporaryFolder
      const tour = yield* prints(folder, "")
      for (
        const part of [
          "account-alice 1: Deposited {\"cents\":10000} {\"by\":\"Alice\",\"schemaVersion\":\"2\"}\n",
          "refused: alice has €70.00, which is €430.00 less than €500.00\n",
          "--command-id rent-november\n    already done: nothing is written\n",
          "refused: another transfer was made with the command id rent-november",
          "    120 events, and the balances are what they were before:\n    alice: €45.00\n    bob: €25.00\n",
          "in account:snapshot-alice: {",
          "account-carol 1: Deposited {\"amount\":12.5} {\"by\":\"Carol\"}\n",
          "carol: €19.50\n",
          "refused: the account alice has €45.00 left: withdraw it first\n",
          "refused: the account alice is closed\n"
        ]
      ) assert.include(tour, part)
      // The statement at the time of the deposit ends with it.
      assert.match(tour, /--at [^]*│ deposit[^\n]*\n└[^\n]*\nalice: €100.00\n/)
      assert.isTrue(tour.endsWith("In the end\nalice: €0.00 (closed)\nbob: €70.00\ncarol: €19.50"))
      assert.deepStrictEqual(yield* fs.readDirectory(folder), [])
    }))

  it.effect("ends quietly when its reader does", () =>
    Effect.gen(function*() {
      const folder = yield* Program.temporaryFolder
      assert.strictEqual(yield* unread(folder, ""), "exit code 0\n")
    }))

  it.effect("keeps accounts in a folder, from one run to the next, and says in one line what it refuses, and what to do", () =>
    Effect.gen(function*() {
      const folder = yield* Program.temporaryFolder
      const inFolder = (args: string) => prints(folder, args)
      assert.strictEqual(yield* inFolder("open alice --owner Ada"), "opened alice: €0.00")
      assert.strictEqual(yield* inFolder("open bob"), "opened bob: €0.00")
      assert.strictEqual(yield* inFolder("deposit alice 12.50 --by Ada"), "deposited €12.50; alice: €12.50")
      const transfer = "transfer alice bob 2.50 --command-id rent"
      const transferred = "transferred €2.50; alice: €10.00, bob: €2.50"
      assert.deepStrictEqual([yield* inFolder(transfer), yield* inFolder(transfer)], [transferred, transferred])
      const statement = yield* inFolder("statement alice")
      const rows = statement.split("\n").filter((line) => line.startsWith("│")).map((line) =>
        line.split("│").slice(2, -1).map((cell) => cell.trim())
      )
      assert.deepStrictEqual(rows, [
        ["what", "by", "amount", "balance"],
        ["opened for Ada", "Tess", "", "€0.00"],
        ["deposit", "Ada", "€12.50", "€12.50"],
        ["transfer to bob", "Tess", "-€2.50", "€10.00"]
      ])
      assert.isTrue(statement.endsWith("alice: €10.00"))

      const refused = (args: string, line: string) => assertOneLineError(folder, args, line)
      yield* refused("withdraw alice 12.50", "alice has €10.00, which is €2.50 less than €12.50")
      // Another store has other accounts.
      yield* refused("deposit alice 1 --data other", "there is no account alice: open it first")
      if (Program.isLong) {
        yield* refused("deposit alice 1 --store memory", "there is no account alice: open it first")
        yield* refused("transfer alice carol 1", "there is no account carol: open it first")
        yield* refused("close alice", "the account alice has €10.00 left: withdraw it first")
        yield* refused("open bob", "the account bob already exists and belongs to bob: choose another name")
        yield* refused("statement alice --at 2020-02-29", "there was no account alice at 2020-02-29T23:59:59.999Z")
      }
      assert.strictEqual(yield* inFolder("statement alice --at 2999-12-31"), statement)
    }))

  it.effect.skipIf(!Program.isLong)("shows its help for what can't be meant", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* Program.temporaryFolder
      const amount = "from 0.01 to 10000000000: 12.50, or 12"
      const day = "a day, 2026-11-01, or a time with its zone"
      for (
        const [args, advice] of [
          ["deposit alice -1", amount],
          ["deposit Alice 1", "at most 40 lower-case letters and digits"],
          ["statement alice --at 2026-02-31", day],
          ["statement alice --at 2026-11-01T12:00:00", day],
          ["transfer alice bob 1 --times 0", "at least 1"],
          ["deposit alice", "Missing required argument: amount"]
        ] as const
      ) {
        const { code, stderr, stdout } = yield* run(folder, args)
        assert.strictEqual(code, 1)
        assert.include(stdout + stderr, "USAGE", args)
        assert.include(stdout + stderr, advice)
      }
      assert.deepStrictEqual(yield* fs.readDirectory(folder), [])
    }))

  it.effect.skipIf(!Program.isLong)(
    "killed in the middle of its transfers, keeps the sum; sent again, it makes those that are missing",
    () =>
      Effect.gen(function*() {
        const folder = yield* Program.temporaryFolder
        yield* prints(folder, "open alice")
        yield* prints(folder, "open bob")
        yield* prints(folder, "deposit alice 100")
        const transfers = "transfer alice bob 0.10 --times 600 --command-id salary"
        const killed = yield* Effect.scoped(Effect.gen(function*() {
          const child = yield* spawn(folder, transfers)
          let said = 0
          yield* child.stdout.pipe(
            Stream.decodeText(),
            Stream.splitLines,
            Stream.runForEachWhile(() => Effect.sync(() => ++said < 25)),
            Effect.timeout("3 minutes")
          )
          yield* child.kill({ killSignal: "SIGKILL" })
          return yield* Effect.exit(child.exitCode)
        }))
        assert.strictEqual(killed._tag, "Failure", "it had ended before it was killed")

        const balanceOf = Effect.fnUntraced(function*(account: string) {
          const statement = yield* prints(folder, `statement ${account}`)
          const [, euros = "", cents = ""] = /: €(\d+)\.(\d\d)$/.exec(statement) ?? []
          return Number(euros + cents)
        })
        const [alice, bob] = [yield* balanceOf("alice"), yield* balanceOf("bob")]
        assert.strictEqual(alice + bob, 10_000)
        assert.isAtLeast(bob, 250)
        assert.isBelow(bob, 6_000)

        yield* prints(folder, transfers)
        assert.deepStrictEqual([yield* balanceOf("alice"), yield* balanceOf("bob")], [4_000, 6_000])
      })
  )
})
