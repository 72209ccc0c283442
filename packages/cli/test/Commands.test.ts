/**
 * Every command, on one store: what a program reads, exit codes, and what a person is asked. What a person reads is in the transcripts.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect } from "vitest"
import * as Command from "./support/Command.ts"
import { workers } from "./support/Workers.ts"

const { application, prints, run, stable } = Command

/** What is asked of a command with the application. */
const withApplication = (args: string) => [...args.split(" "), "-m", application]

/** What differs between machines and runs. */
const comparable = (output: string): string =>
  stable(output)
    .replace(/"(server|node)":"[^"]*"/g, "\"$1\":\"VERSION\"")
    .replace(/"(millis|age)":\d+/g, "\"$1\":0")
    .replace(/"system":"[^"]*"/g, "\"system\":\"N\"")
    .replace(/"fingerprint":"[\da-f]+"/g, "\"fingerprint\":\"HASH\"")
    .replace(/"bytes":\d+/g, "\"bytes\":0")
    .replace(/"scans":\d+/g, "\"scans\":0")

const names = (output: string) => output.trim().split("\n").map((line): string => JSON.parse(line).streamName)

layer(Command.Shared.layer, { excludeTestServices: true })("the command", (it) => {
  describe("set up", () => {
    it.effect("installs, and says what it has done the second time", () =>
      Effect.gen(function*() {
        expect(comparable(yield* prints("install"))).toMatchSnapshot()
        assert.include(yield* prints("install", { isTerminal: true }), "was there already, at version")
        assert.include(yield* prints("upgrade --trace-indexes", { isTerminal: true }), "was there already, at version")
        expect(comparable(yield* prints("version"))).toMatchSnapshot()
      }))

    it.effect("says of a store that is well that it is", () =>
      Effect.gen(function*() {
        const { code, stdout } = yield* run("doctor")
        assert.strictEqual(code, 0, stdout)
        const checks = stdout.trim().split("\n").map((line): { check: string; status: string } => JSON.parse(line))
        assert.deepStrictEqual(checks.map(({ check }) => check), [
          "connection",
          "pooler",
          "schema",
          "privileges",
          "search path",
          "indexes",
          "autovacuum",
          "durability",
          "transactions",
          "clock",
          "wake-ups",
          "leases"
        ])
        assert.deepStrictEqual([...new Set(checks.map(({ status }) => status))].toSorted(), ["ok", "skipped"])
      }))
  })

  describe("write", () => {
    it.effect("writes a message, and the messages of stdin", () =>
      Effect.gen(function*() {
        const written = yield* prints(["write", "account-1", "Opened", `{"owner":"Ann"}`, "--expected", "none"])
        assert.strictEqual(written, `{"streamName":"account-1","messages":1,"version":0,"globalPosition":1}\n`)
        const lines = [
          `{"type":"Deposited","data":{"amount":11}}`,
          "",
          `{"type":"Deposited","data":{"amount":31},"metadata":{"properties":{"a":1}}}`
        ].join("\n")
        assert.strictEqual(
          yield* prints("write account-1 --file - --expected 0", { stdin: lines }),
          `{"streamName":"account-1","messages":2,"version":2,"globalPosition":3}\n`
        )
        yield* prints(["write", "account-2", "Opened", `{"owner":"Bob"}`])
        yield* prints(["write", "account-3", "Opened", `{"owner":"Cid"}`])
      }))

    it.effect("writes a message under an id once", () =>
      Effect.gen(function*() {
        const args = ["write", "other-1", "Noted", "{}", "--id", "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"]
        assert.strictEqual(yield* prints(args), yield* prints(args))
      }))

    const wrong: ReadonlyArray<readonly [title: string, args: ReadonlyArray<string>, stdin: string, says: string]> = [
      ["without a type", ["write", "account-1"], "", "the message has no type"],
      ["with data that is no JSON", ["write", "account-1", "T", "{"], "", "the data can't be read"],
      [
        "with metadata that is no object",
        ["write", "account-1", "T", "{}", "--metadata", "1"],
        "",
        "--metadata can't be read"
      ],
      [
        "with a number that would be changed",
        ["write", "account-1", "T", `{"a":9007199254740993}`],
        "",
        "would be changed"
      ],
      ["with a version that is none", ["write", "account-1", "T", "--expected", "many"], "", "must be a number"],
      ["with a category for a stream", ["write", "account", "--file", "-"], "{}", "line 1 of stdin is no message"],
      ["with a field that no message has", ["write", "account-1", "--file", "-"], `{"type":"T","dat":1}`, "dat"],
      ["with a type beside a file", ["write", "account-1", "T", "--file", "-"], "", "leave out the type"],
      ["with an empty file", ["write", "account-1", "--file", "-"], "\n", "stdin has no message"],
      ["with a file that is not there", ["write", "account-1", "--file", "/nowhere"], "", "/nowhere can't be read"]
    ]
    it.effect.each(wrong)(
      "refuses a command line %s, and writes nothing",
      ([, args, stdin, says]) =>
        Effect.gen(function*() {
          const { code, stderr, stdout } = yield* run(args, { stdin })
          assert.strictEqual(code, 2, stderr)
          assert.include(stderr, says)
          assert.strictEqual(stdout, "")
          assert.strictEqual((yield* prints("last account-1")).includes(`"position":2`), true)
        })
    )

    it.effect("refuses input that is not UTF-8, and writes nothing", () =>
      Effect.gen(function*() {
        const stdin = Uint8Array.from(Buffer.from(`{"type":"T","data":{"name":"Z\u00fcrich"}}\n`, "latin1"))
        const { code, stderr } = yield* run("write latin-1 --file -", { stdin })
        assert.strictEqual(code, 2, stderr)
        assert.include(stderr, "stdin is not text in UTF-8")
        assert.strictEqual((yield* run("last latin-1")).code, 1)
      }))

    it.effect("refuses another version with 5, and the id of another message with 1", () =>
      Effect.gen(function*() {
        const conflict = yield* run("write account-1 Opened --expected 7")
        assert.strictEqual(conflict.code, 5)
        assert.include(conflict.stderr, "stream account-1 is at version 2; the append expected version 7")
        const taken = yield* run(["write", "other-2", "T", "{}", "--id", "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"])
        assert.strictEqual(taken.code, 1)
      }))
  })

  describe("look", () => {
    const looks = [
      "categories",
      "streams account --prefix account-2",
      "read account-1 --from 1",
      "read account-1 --backwards -n 1",
      "read account -t Opened",
      "read account-1 -t Deposited -n 1",
      "read --from 4 --to 5",
      "last account",
      "last account-1 -t Opened",
      "get 2",
      "get 0B0B0B0B-0b0b-4b0b-8b0b-0b0b0b0b0b0b",
      "tail account -n 2",
      "tail account-1 -n 1 -t Opened",
      "report streams -n 2",
      "report types --containing Dep",
      "report stream-types -n 1",
      "report type-streams -n 1",
      "report category-types -n 1",
      "report type-categories -n 1"
    ]
    it.effect.each(looks)("%s", (args) =>
      Effect.gen(function*() {
        expect(comparable(yield* prints(args))).toMatchSnapshot()
      }))

    it.effect("prints an array with -o json, rows for a spreadsheet with csv, and nothing but rows with either", () =>
      Effect.gen(function*() {
        const array: unknown = JSON.parse(yield* prints("streams account -o json"))
        assert.isTrue(Array.isArray(array) && array.length === 3)
        assert.strictEqual(yield* prints("streams nobody -o json"), "[]\n")
        assert.strictEqual(yield* prints("streams nobody"), "")
        const csv = (yield* prints("read account-1 -n 1 -o csv")).split("\r\n")
        assert.strictEqual(csv[0], "global_position,stream,position,time,type,data")
        assert.match(csv[1] ?? "", /^1,account-1,0,[^,]+Z,Opened,"\{""owner"":""Ann""\}"$/)
      }))

    it.effect("tells a person that there is nothing, and where a list goes on", () =>
      Effect.gen(function*() {
        const empty = yield* run("streams nobody", { isTerminal: true })
        assert.deepStrictEqual([empty.code, empty.stdout, empty.stderr], [0, "", "no stream has a message\n"])
        const page = yield* run("streams account -n 1", { isTerminal: true })
        assert.include(page.stderr, "there are more: --after 'account-1'")
      }))

    it.effect("shows characters that would move a cursor as their codes", () =>
      Effect.gen(function*() {
        yield* prints(["write", "odd-\u001b[2J", "Odd\u0007", `{"text":"\\u001b[31m"}`])
        const { stdout } = yield* run("read odd", { isTerminal: true })
        assert.include(stdout, "odd-\\u001b[2J")
        assert.include(stdout, "Odd\\u0007")
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f]/)
      }))

    const wrong: ReadonlyArray<readonly [args: string, code: number, says: string]> = [
      ["read account --backwards", 2, "only a stream can be read backwards"],
      ["read account-1 --correlation order", 2, "--correlation needs a category"],
      ["streams acc-ount", 2, "acc-ount"],
      ["read --from -1", 2, "from is -1"],
      ["last nobody-1", 1, "nobody-1 has no message"],
      ["last nobody", 1, "nobody has no message"],
      ["last account -t Opened", 2, "--type needs a stream"],
      ["get 4711", 1, "there is no message 4711"],
      ["get something", 2, "neither the id of a message"],
      ["get 0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0c", 1, "there is no message"],
      ["trace 4711", 2, "4711"],
      ["entity account-1", 2, "this needs the definitions of the application"],
      ["entity account-1 -m /nowhere.ts", 1, "/nowhere.ts can't be loaded"],
      ["report everything", 2, "everything"],
      ["parked nobody", 1, "nothing is parked for nobody"],
      ["rewind nobody --to beginning --reason r -y", 1, "the store has no position of a consumer nobody"],
      ["rewind mailer --to someday --reason r -y", 2, "someday is no time"],
      ["drop mailer account-2", 2, "reason"],
      ["replay mailer", 2, "replay needs the name of a stream, or --all"],
      ["read-models -o csv --json", 2, "--json is short for -o ndjson"],
      ["streams --url postgres://a/b --data c", 2, "--url and --data name two stores"],
      ["streams --data=", 2, "--data names no folder"],
      [`get ${"long".repeat(1_000)}`, 2, " … "],
      ["import /nowhere", 2, "/nowhere can't be read: there is no such file"],
      [`import ${import.meta.dirname}`, 2, "it is a folder"],
      ["export /nowhere/store.ndjson", 1, "can't be written: there is no such file or folder"],
      [`export ${import.meta.filename}`, 1, "--overwrite replaces it"],
      ["unknown", 2, "unknown"]
    ]
    it.effect.each(wrong)("%s ends with %i", ([args, code, says]) =>
      Effect.gen(function*() {
        const outcome = yield* run(args)
        assert.strictEqual(outcome.code, code, outcome.stderr)
        assert.strictEqual(outcome.stdout, "")
        assert.match(outcome.stderr, /^error: /)
        assert.include(outcome.stderr, says)
        assert.isAtMost(outcome.stderr.trim().split("\n").length, 2)
      }))

    it.effect("shows the stack of an error with --debug alone", () =>
      Effect.gen(function*() {
        assert.notInclude((yield* run("get 4711")).stderr, "    at ")
        assert.include((yield* run("get 4711 --debug")).stderr, "    at ")
      }))
  })

  describe("what the application makes of it", () => {
    it.effect("runs workers, which the store then knows", () =>
      Effect.gen(function*() {
        yield* workers
      }))

    const looks = [
      "entity account-1",
      "entity account-1 --at 1 --diff 0",
      "entity account-1 --changes",
      "schemas check account",
      "consumers mailer",
      "read-models",
      "processes",
      "parked",
      "parked mailer",
      "deadlines reminder -n 1",
      "runners",
      "trace 1"
    ]
    it.effect.each(looks)("%s", (args) =>
      Effect.gen(function*() {
        expect(comparable(yield* prints(withApplication(args)))).toMatchSnapshot()
      }))

    it.effect("finds messages that do not fit with 4, and a definition that is not registered with 1", () =>
      Effect.gen(function*() {
        yield* prints(["write", "account-9", "Deposited", `{"amount":"eleven"}`])
        const { code, stderr, stdout } = yield* run(withApplication("schemas check"))
        assert.strictEqual(code, 4)
        assert.include(stdout, `"path":["data","amount"]`)
        assert.include(stderr, "1 message does not fit its schema")
        const missing = yield* run(withApplication("schemas check nothing"))
        assert.strictEqual(missing.code, 1)
        assert.include(missing.stderr, "definition not loaded here")
        assert.strictEqual((yield* run(withApplication("entity nothing-1"))).code, 2)
      }))
  })

  describe("act", () => {
    it.effect("asks a person, and does nothing after a no", () =>
      Effect.gen(function*() {
        const args = ["drop", "mailer", "account-3", "--reason", "has moved away"]
        const declined = yield* run(args, { isTerminal: true, keys: ["n"] })
        assert.strictEqual(declined.code, 6)
        assert.include(declined.stderr, "nothing was done")
        for (const more of [[], ["--no-input"]]) {
          const unasked = yield* run([...args, ...more], { isTerminal: more.length > 0 })
          assert.strictEqual(unasked.code, 6)
          assert.include(unasked.stderr, "Drop 1 message of account-3, which mailer will not handle?")
        }
        assert.strictEqual((yield* prints("parked mailer")).trim().split("\n").length, 2)
        const done = yield* run(args, { isTerminal: true, keys: ["y"] })
        assert.strictEqual(done.code, 0, done.stderr)
        assert.strictEqual((yield* prints("parked mailer")).trim().split("\n").length, 1)
      }))

    it.effect("replays, rewinds and steers builds, and records who did it", () =>
      Effect.gen(function*() {
        yield* prints("replay mailer account-2 -n 1 --by ann")
        const moved = yield* run(
          ["rewind", "mailer", "--to", "1", "--expected", "99", "--reason", "why", "--yes", "--by", "ann"]
        )
        assert.strictEqual(moved.code, 5)
        yield* prints(["rewind", "mailer", "--to", "beginning", "--reason", "why", "--yes", "--by", "ann"])
        yield* prints(withApplication("regroup mailer 2 --yes --by ann"))
        // The tables are not what the messages make of them.
        const sql = Context.get(yield* Command.Shared, SqlClient)
        yield* sql`UPDATE balances.balances SET amount = 1`
        const differs = yield* run(withApplication("rebuild balances --compare --by ann"))
        assert.strictEqual(differs.code, 4, differs.stderr)
        assert.include(differs.stderr, "balances")
        yield* prints(withApplication("rebuild balances --by ann"))
        const history = yield* prints("history -n 20")
        const actions = history.trim().split("\n").map((line): { action: string; by: string } => JSON.parse(line))
        assert.deepStrictEqual(actions.map(({ action }) => action), [
          "ReadModel.rebuild",
          "ReadModel.rebuild",
          "ReadModel.rebuild",
          "ReadModel.rebuild",
          "Consumer.regroup",
          "Consumer.rewind",
          "Parking.replay",
          "Parking.drop"
        ])
        assert.deepStrictEqual([...new Set(actions.slice(0, -1).map(({ by }) => by))], ["ann"])
      }))

    it.effect("lists more names than one page of the store has", () =>
      Effect.gen(function*() {
        const sql = Context.get(yield* Command.Shared, SqlClient)
        yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
          SELECT 'page-' || lpad(i::text, 4, '0'), 0, 'T', '{}' FROM generate_series(1, 2300) AS i`
        const all = names(yield* prints("streams page -n 5000"))
        assert.strictEqual(new Set(all).size, 2_300)
        assert.deepStrictEqual(names(yield* prints("streams page -n 2001 --after page-0009")), all.slice(9, 2_010))
        const some = yield* run("streams page -n 1500", { isTerminal: true })
        assert.include(some.stderr, "there are more: --after 'page-1500'")
        assert.include((yield* run("streams -n 0")).stderr, "hint: eventfold COMMAND --help shows how it is used")
      }))

    it.effect("uninstalls after a yes", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* run("uninstall")).code, 6)
        const { code, stderr } = yield* run("uninstall --yes")
        assert.strictEqual(code, 0, stderr)
        const missing = yield* run("upgrade")
        assert.strictEqual(missing.code, 3)
        assert.include(missing.stderr, "has no store to upgrade")
        const counted = yield* run("report streams")
        assert.strictEqual(counted.code, 1)
        assert.include(counted.stderr, "there is no message store")
        const ill = yield* run("doctor")
        assert.strictEqual(ill.code, 4)
        assert.include(ill.stdout, "install it: eventfold install")
      }))
  })

  describe("help", () => {
    it.effect("lists the commands, and each has a description and examples", () =>
      Effect.gen(function*() {
        const help = yield* prints("--help")
        const names = [...help.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name = ""]) => name).filter((name) =>
          !name.startsWith("-")
        )
        assert.includeMembers(names, ["install", "doctor", "read", "entity", "schemas", "parked", "write", "serve"])
        assert.isAtLeast(names.length, 30)
        for (const name of names) {
          const page = yield* prints(name === "schemas" ? "schemas check --help" : [name, "--help"])
          assert.include(page, "DESCRIPTION", name)
          assert.include(page, "EXAMPLES", name)
        }
      }))

    it.effect("shows it by a command, too", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* prints("help read"), yield* prints("read --help"))
        assert.strictEqual(yield* prints("help"), yield* prints("--help"))
      }))

    it.effect("has completions for the shells", () =>
      Effect.gen(function*() {
        for (const shell of ["bash", "zsh", "fish"]) {
          const script = yield* prints(`--completions ${shell}`)
          assert.include(script, "read-models", shell)
          // The flags that all commands have are among them.
          assert.include(script, "no-input", shell)
        }
        assert.strictEqual(yield* prints("--version"), "1.2.3\n")
      }))
  })
})
