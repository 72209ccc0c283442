/**
 * The command as a process, as it is published: on a server and in a folder, with its exit codes, signals, pipes and a terminal.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { BuiltCommand } from "../support/BuiltCommand.ts"
import * as Database from "../support/Database.ts"
import { GuardedServer, password } from "../support/GuardedServer.ts"
import { until } from "../support/Until.ts"
import { moving } from "./moving.ts"

const application = join(import.meta.dirname, "../../packages/cli/test/fixtures/observe.ts")

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold cli-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** An empty database of the server. */
const emptyDatabase = Effect.gen(function*() {
  const { url } = yield* GuardedServer
  return (yield* Database.make({ server: { url }, empty: true })).url
})

/** The `script` of util-linux gives a program a terminal. */
const hasTerminals = spawnSync("script", ["--version"]).stdout?.toString().includes("util-linux") ?? false

layer(Layer.merge(BuiltCommand.layer, GuardedServer.layer), { excludeTestServices: true })("eventfold", (it) => {
  it.effect("works on a server from its installation to its end", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const env = { DATABASE_URL: yield* emptyDatabase }
      const missing = yield* run(["streams"], { env })
      assert.strictEqual(missing.code, 1)
      assert.include(missing.stderr, "eventfold install makes it")

      assert.strictEqual((yield* run(["install"], { env })).code, 0)
      const written = yield* run(["write", "account-1", "Opened", `{"owner":"Ann"}`, "--expected", "none"], { env })
      assert.deepStrictEqual(
        [written.code, written.stdout, written.stderr],
        [0, `{"streamName":"account-1","messages":1,"version":0,"globalPosition":1}\n`, ""]
      )
      const conflict = yield* run(["write", "account-1", "Opened", "--expected", "none"], { env })
      assert.strictEqual(conflict.code, 5)
      assert.strictEqual(conflict.stdout, "")

      const { code, stdout } = yield* run(["doctor"], { env })
      assert.strictEqual(code, 0, stdout)
      const found = new Map(
        stdout.trim().split("\n").map((line): { check: string; status: string } => JSON.parse(line)).map((
          { check, status }
        ) => [check, status])
      )
      assert.strictEqual(found.get("wake-ups"), "ok")
      assert.strictEqual(found.get("leases"), "ok")
      assert.strictEqual(found.get("pooler"), "ok")
      // The tests are run by a superuser.
      assert.strictEqual(found.get("privileges"), "notice")

      assert.strictEqual((yield* run(["uninstall"], { env })).code, 6)
      assert.strictEqual((yield* run(["uninstall", "--yes"], { env })).code, 0)
    }))

  it.effect("says what a role may not do, and what to do", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const url = yield* emptyDatabase
      assert.strictEqual((yield* run(["install", "--url", url])).code, 0)
      // The password comes from the environment, as with psql.
      const env = { PGPASSWORD: password }
      const guarded = Database.urlAs(url, "guarded", "")
      const { code, stdout } = yield* run(["doctor", "--url", guarded], { env })
      assert.strictEqual(code, 4)
      assert.include(stdout, "guarded lacks USAGE on schema eventfold")
      assert.include(stdout, "GRANT message_store TO guarded")
      const refused = yield* run(["streams", "--url", guarded], { env })
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "the user lacks a privilege")
    }))

  it.effect("ends with 3 when there is no server, and when the password is wrong, which it never shows", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const { url } = yield* GuardedServer
      const nobody = yield* run(["streams", "--url", "postgres://app@127.0.0.1:1/shop"])
      assert.strictEqual(nobody.code, 3)
      assert.include(nobody.stderr, "no PostgreSQL server answers")
      for (const more of [[], ["--debug"]]) {
        const wrong = yield* run(["streams", "--url", Database.urlAs(url, "guarded", "wr0ngSecret"), ...more])
        assert.strictEqual(wrong.code, 3)
        assert.include(wrong.stderr, "check user name and password")
        assert.notInclude(wrong.stderr, "wr0ngSecret")
      }
      const none = yield* run(["streams", "--url", "mysql://app:s3cretWord@127.0.0.1/shop"])
      assert.strictEqual(none.code, 2)
      assert.notInclude(none.stderr, "s3cretWord")
    }))

  it.effect("refuses a wrong command line with 2 on stderr alone, and shows its version and its help", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const { code, stderr, stdout } = yield* run(["raed", "account-1"])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(stderr, /^error: .*raed.*\nhint: /)
      assert.match((yield* run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/)
      assert.include((yield* run([])).stdout, "doctor")
    }))

  it.effect("ends quietly when the reader of its output has left", () =>
    Effect.gen(function*() {
      const { run, shell } = yield* BuiltCommand
      const env = { DATABASE_URL: yield* emptyDatabase }
      yield* run(["install"], { env })
      const lines = Array.from({ length: 5_000 }, () => `{"type":"Noted","data":{"text":"${"x".repeat(100)}"}}`)
      yield* run(["write", "note-1", "--file", "-"], { env, stdin: lines.join("\n") })
      const { stderr, stdout } = yield* shell("{ eventfold read; echo \"code $?\" >&2; } | head -2", { env })
      assert.strictEqual(stdout.trim().split("\n").length, 2)
      assert.strictEqual(stderr, "code 0\n")
    }))

  it.effect("follows what comes, until Ctrl-C", () =>
    Effect.gen(function*() {
      const { run, start } = yield* BuiltCommand
      const env = { DATABASE_URL: yield* emptyDatabase }
      yield* run(["install"], { env })
      yield* run(["write", "note-1", "First"], { env })
      const following = yield* start(["tail", "-f", "note"], { env })
      yield* until("it shows what is there", Effect.sync(() => following.printed().includes("First")))
      yield* run(["write", "note-2", "Second"], { env })
      yield* run(["write", "other-1", "Elsewhere"], { env })
      yield* run(["write", "note-1", "Third"], { env })
      yield* until("it shows what has come", Effect.sync(() => following.printed().includes("Third")))
      yield* following.signal("SIGINT")
      const { code, stderr, stdout } = yield* following.outcome
      assert.deepStrictEqual([code, stderr], [130, ""])
      const types = stdout.trim().split("\n").map((line): { type: string } => JSON.parse(line)).map(({ type }) => type)
      assert.deepStrictEqual(types, ["First", "Second", "Third"])
    }))

  it.effect("works on a folder, which it makes by install alone and shares with nobody", () =>
    Effect.gen(function*() {
      const { run, start } = yield* BuiltCommand
      const cwd = yield* temporaryFolder
      const misspelt = yield* run(["streams", "--data", "stoer"], { cwd })
      assert.strictEqual(misspelt.code, 3)
      assert.include(misspelt.stderr, "there is no folder stoer")
      yield* Effect.promise(() =>
        writeFile(
          join(cwd, "eventfold.json"),
          JSON.stringify({ default: "here", profiles: { here: { data: "store", module: application } } })
        )
      )
      assert.strictEqual((yield* run(["install"], { cwd })).code, 0)
      yield* run(["write", "account-1", "Opened", `{"owner":"Ann"}`], { cwd })
      // The application has its own copy of the library, which the command then uses.
      const entity = yield* run(["entity", "account-1"], { cwd })
      assert.strictEqual(entity.code, 0, entity.stderr)
      assert.include(entity.stdout, `"state":{"owner":"Ann","balance":0}`)

      const server = yield* start(["serve", "--port", "0"], { cwd })
      yield* until("it serves", Effect.sync(() => server.printed().includes("http://")))
      const [base = ""] = server.printed().split(" ")
      const answer = yield* Effect.promise(() => fetch(`${base}/streams/account-1`))
      assert.strictEqual(answer.status, 200)
      const page = yield* Effect.promise(() => fetch(base, { headers: { accept: "text/html" } }))
      assert.include(yield* Effect.promise(() => page.text()), "<div id=\"app\">")
      const second = yield* run(["streams"], { cwd })
      assert.strictEqual(second.code, 3)
      assert.include(second.stderr, "is in use by another process")
      yield* server.signal("SIGINT")
      assert.strictEqual((yield* server.outcome).code, 130)
    }))

  it.effect("has completion scripts that shells read", () =>
    Effect.gen(function*() {
      const { shell } = yield* BuiltCommand
      const bash = yield* shell(
        "eventfold --completions bash > /tmp/eventfold.$$ && bash -n /tmp/eventfold.$$; code=$?; rm /tmp/eventfold.$$; exit $code"
      )
      assert.strictEqual(bash.code, 0, bash.stderr)
    }))

  it.effect.skipIf(!hasTerminals)(
    "asks at a terminal, prints tables there, and takes a no",
    () =>
      Effect.gen(function*() {
        const { run, shell } = yield* BuiltCommand
        const env = { DATABASE_URL: yield* emptyDatabase, TERM: "xterm" }
        yield* run(["install"], { env })
        yield* run(["write", "account-1", "Opened"], { env })
        // `script` hands on the function as the command line that it stands for.
        const inTerminal = (args: string, keys: string) =>
          shell(
            `declare -f eventfold > "$0.sh"; (sleep 1; printf '${keys}') | script -qefc "bash -c '. $0.sh; eventfold ${args}'" /dev/null; ` +
              "code=$?; rm \"$0.sh\"; exit $code",
            { env, cwd: tmpdir() }
          )
        const table = yield* inTerminal("streams", "")
        assert.match(table.stdout, /stream +version +last type +last/)
        assert.notInclude(table.stdout, "{")
        const declined = yield* inTerminal("uninstall", "n")
        assert.strictEqual(declined.code, 6)
        assert.include(declined.stdout, "with every message in it?")
        assert.strictEqual((yield* run(["last", "account-1"], { env })).code, 0)
      })
  )

  moving(it)
})
