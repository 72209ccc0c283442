/**
 * Checks and moves by the command as a process. They are part of `process.test.ts`, with its server and its command.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import * as Archives from "../support/Archives.ts"
import { BuiltCommand } from "../support/BuiltCommand.ts"
import * as Database from "../support/Database.ts"
import { GuardedServer } from "../support/GuardedServer.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventfold moving-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** A database of the server with the schemas. */
const database = Effect.gen(function*() {
  const { url } = yield* GuardedServer
  return (yield* Database.make({ server: { url } })).url
})

/** A database with messages of several chunks; those of the category `late` come last. */
const filled = Effect.gen(function*() {
  const url = yield* database
  const store = yield* Store.open(url, { announce: false })
  yield* Archives.fill(store)
  yield* Archives.fillMany(store, 1_500)
  yield* Archives.fillMany(store, 600, "late")
  return { url, store }
})

/** Until somebody waits for a lock in the database. */
const waited = (url: string) =>
  until(
    "it waits for the lock",
    Effect.flatMap(Database.session(url), (sql) =>
      Effect.map(
        sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
        (rows) => rows.length > 0
      )).pipe(Effect.scoped, Effect.orElseSucceed(() => false))
  )

/** Keeps an export from going on after its first chunk. */
const stopExport = Effect.fnUntraced(function*(url: string) {
  const sql = yield* Database.session(url)
  yield* sql`BEGIN`
  yield* sql`LOCK TABLE eventfold.streams IN ACCESS EXCLUSIVE MODE`
  return { release: Effect.ignore(sql`ROLLBACK`) }
})

/** Keeps an import from writing its last chunks. */
const stopImport = Effect.fnUntraced(function*(url: string) {
  const sql = yield* Database.session(url)
  yield* sql`BEGIN`
  yield* sql`SELECT message_store.acquire_lock('late-1')`
  return { release: Effect.ignore(sql`ROLLBACK`) }
})

const json = (text: string): Record<string, unknown> => JSON.parse(text)

export const moving = (it: Vitest.MethodsNonLive<BuiltCommand | GuardedServer>) => {
  it.effect("exports and imports, by files and pipes, and continues what Ctrl-C has ended", () =>
    Effect.gen(function*() {
      const { run, shell, start } = yield* BuiltCommand
      const cwd = yield* temporaryFolder
      const { store, url } = yield* filled
      const records = Archives.recordsOf(yield* Archives.archiveOf(store))
      const path = join(cwd, "store.ndjson.gz")

      const stopped = yield* stopExport(url)
      const exporting = yield* start(["export", path, "--url", url])
      yield* waited(url)
      yield* until("it has noted where it stands", Effect.sync(() => existsSync(`${path}.part.json`)))
      yield* exporting.signal("SIGINT")
      const interrupted = yield* exporting.outcome
      assert.deepStrictEqual([interrupted.code, interrupted.stdout], [130, ""])
      assert.include(interrupted.stderr, "the same command continues it")
      assert.isFalse(existsSync(path))
      yield* stopped.release
      const exported = yield* run(["export", path, "--url", url])
      assert.strictEqual(exported.code, 0, exported.stderr)
      assert.deepInclude(json(exported.stdout), { messages: records.length - 2, streams: 2, isResumed: true })
      const archive = gunzipSync(yield* Effect.promise(() => readFile(path))).toString()
      assert.deepStrictEqual(Archives.recordsOf(archive), records)
      const exists = yield* run(["export", path, "--url", url])
      assert.strictEqual(exists.code, 1)
      assert.include(exists.stderr, "the file exists")

      const target = yield* database
      const locked = yield* stopImport(target)
      const importing = yield* start(["import", path, "--url", target])
      yield* waited(target)
      yield* importing.signal("SIGINT")
      assert.strictEqual((yield* importing.outcome).code, 130)
      yield* locked.release
      const imported = yield* run(["import", path, "--url", target])
      assert.strictEqual(imported.code, 0, imported.stderr)
      const { present, written } = json(imported.stdout)
      assert.isTrue(typeof present === "number" && present > 100 && typeof written === "number" && written > 0)
      assert.strictEqual(Number(present) + Number(written), records.length - 2)
      const moved = yield* Store.open(target, { announce: false })
      assert.deepStrictEqual(Archives.recordsOf(yield* Archives.archiveOf(moved)), records)

      const piped = yield* database
      const through = yield* shell("set -o pipefail; eventfold export - --url $A | eventfold import - --url $B", {
        env: { A: url, B: piped }
      })
      assert.strictEqual(through.code, 0, through.stderr)
      const there = yield* Store.open(piped, { announce: false })
      assert.deepStrictEqual(Archives.recordsOf(yield* Archives.archiveOf(there)), records)
      const refused = yield* run(["import", path, "--global-positions", "keep", "--url", url])
      assert.strictEqual(refused.code, 0, refused.stderr)

      const head = yield* shell("{ eventfold export - --url $A; echo \"code $?\" >&2; } | head -c 1000 | wc -c", {
        env: { A: url }
      })
      assert.deepStrictEqual([head.stdout.trim(), head.stderr], ["1000", "code 0\n"])
      const damaged = yield* run(["import", "-", "--url", url], { stdin: archive.replace("Deposited", "Deposites") })
      assert.strictEqual(damaged.code, 1)
      assert.include(damaged.stderr, "its checksum is another one")
      assert.strictEqual((yield* run(["import", join(cwd, "nowhere"), "--url", url])).code, 2)
    }))

  it.effect("goes on when the server goes away in the middle of an export and of an import", () =>
    Effect.gen(function*() {
      const server = yield* GuardedServer
      const { start } = yield* BuiltCommand
      const cwd = yield* temporaryFolder
      const path = join(cwd, "store.ndjson")
      const { store, url } = yield* filled
      const records = Archives.recordsOf(yield* Archives.archiveOf(store))
      const target = yield* database

      yield* stopExport(url)
      const exporting = yield* start(["export", path, "--url", url])
      yield* waited(url)
      yield* server.restart
      const exported = yield* exporting.outcome
      assert.strictEqual(exported.code, 0, exported.stderr)
      assert.deepStrictEqual(Archives.recordsOf(yield* Effect.promise(() => readFile(path, "utf8"))), records)

      yield* stopImport(target)
      const importing = yield* start(["import", path, "--url", target])
      yield* waited(target)
      yield* server.restart
      const imported = yield* importing.outcome
      assert.strictEqual(imported.code, 0, imported.stderr)
      const moved = yield* Store.open(target, { announce: false })
      assert.deepStrictEqual(Archives.recordsOf(yield* Archives.archiveOf(moved)), records)
    }))

  it.effect("verifies, for programs, for CI and for people, with 4 when something is wrong", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const url = yield* database
      const store = yield* Store.open(url, { announce: false })
      yield* store.append("account-1", [{ type: "A", data: {} }, { type: "B", data: {} }, { type: "C", data: {} }])
      const well = yield* run(["verify", "--url", url])
      assert.deepStrictEqual([well.code, well.stdout, well.stderr], [0, "", "3 messages were looked at\n"])
      const sql = yield* Database.session(url)
      yield* sql`DELETE FROM message_store.messages WHERE position = 1`
      const wrong = yield* run(["verify", "--url", url])
      assert.strictEqual(wrong.code, 4)
      const found = { _tag: "PositionGap", streamName: "account-1", after: 0, position: 2, globalPosition: 3 }
      assert.deepInclude(json(wrong.stdout), { level: "error", finding: found })
      assert.include(wrong.stderr, "error: 1 problem was found")
      const table = yield* run(["verify", "-o", "table", "--url", url])
      assert.include(table.stdout, "stream account-1 has position 2 (global position 3) after position 0")
      const ci = yield* run(["verify", "--sarif", "--url", url])
      assert.strictEqual(ci.code, 4)
      const log = JSON.parse(ci.stdout)
      assert.strictEqual(log.version, "2.1.0")
      const [{ results, tool }] = log.runs
      assert.strictEqual(tool.driver.rules[results[0].ruleIndex].id, "PositionGap")
      assert.deepInclude(results[0], {
        ruleId: "PositionGap",
        level: "error",
        message: { text: "stream account-1 has position 2 (global position 3) after position 0" },
        locations: [{ logicalLocations: [{ kind: "member", fullyQualifiedName: "account-1/2" }] }]
      })
    }))

  it.effect("measures a store, and says what it leaves", () =>
    Effect.gen(function*() {
      const { run } = yield* BuiltCommand
      const url = yield* database
      assert.strictEqual((yield* run(["bench", "--url", url])).code, 6)
      const { code, stderr, stdout } = yield* run([
        "bench",
        "--yes",
        "--seconds",
        "0.1",
        "--callers",
        "4",
        "--url",
        url
      ])
      assert.strictEqual(code, 0, stderr)
      const figures = stdout.trim().split("\n").map(json)
      assert.deepStrictEqual(figures.map(({ name }) => name), ["append-one", "append-many", "read"])
      assert.isTrue(figures.every(({ rate }) => typeof rate === "number" && rate > 0))
      assert.include(stderr, "its messages are removed; 4 notices of that stay in the category bench")
      const store = yield* Store.open(url, { announce: false })
      assert.strictEqual(yield* store.countAll(), 4)
    }))
}
