/**
 * What `Diagnosis` finds on databases of which we know what is wrong with them.
 */
import { assert, layer } from "@effect/vitest"
import { Diagnosis, Inspection } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"

/** The check of a name. */
const checkOf = (name: Diagnosis.Check["check"]) =>
  Effect.flatMap(
    Stream.runHead(Stream.filter(Diagnosis.checks, ({ check }) => check === name)),
    (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.die(new Error(`there is no check ${name}`))
  )

interface Fault {
  readonly check: Diagnosis.Check["check"]
  readonly status: "notice" | "problem"
  readonly plant: string
  readonly mend: string
  readonly says: string
  readonly remedy: string
}

const faults: ReadonlyArray<Fault> = [
  {
    check: "indexes",
    status: "problem",
    plant: "DROP INDEX message_store.messages_category",
    mend:
      "CREATE INDEX messages_category ON message_store.messages (message_store.category(stream_name), global_position, " +
      "message_store.category(metadata ->> 'correlationStreamName'))",
    says: "there is no index messages_category",
    remedy: "eventfold install"
  },
  {
    check: "indexes",
    status: "problem",
    plant: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'message_store.messages_id'::regclass",
    mend: "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'message_store.messages_id'::regclass",
    says: "messages_id is not valid",
    remedy: "REINDEX INDEX CONCURRENTLY message_store.messages_id"
  },
  {
    check: "autovacuum",
    status: "problem",
    plant: "ALTER TABLE message_store.messages SET (autovacuum_enabled = false)",
    mend: "ALTER TABLE message_store.messages RESET (autovacuum_enabled)",
    says: "autovacuum is off for the table of messages",
    remedy: "RESET (autovacuum_enabled)"
  },
  {
    check: "search path",
    status: "notice",
    plant: "GRANT CREATE ON SCHEMA public TO PUBLIC",
    mend: "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    says: "everybody may create objects in public",
    remedy: "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
  },
  {
    check: "schema",
    status: "problem",
    plant: "CREATE OR REPLACE FUNCTION eventfold.schema_version() RETURNS integer LANGUAGE sql RETURN 1",
    mend: "CREATE OR REPLACE FUNCTION eventfold.schema_version() RETURNS integer LANGUAGE sql RETURN 6",
    says: "the schema eventfold is at version 1",
    remedy: "eventfold upgrade"
  }
]

layer(Database.layer(), { excludeTestServices: true })("a diagnosis", (it) => {
  it.effect("finds nothing wrong with what was installed", () =>
    Effect.gen(function*() {
      const checks = yield* Stream.runCollect(Diagnosis.checks)
      assert.deepStrictEqual(checks.filter(({ status }) => status === "problem"), [])
      assert.lengthOf(checks, 12)
    }))

  it.effect.each(faults)("$check: $says", ({ check, mend, plant, remedy, says, status }) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      yield* sql.unsafe(plant)
      const found = yield* checkOf(check)
      assert.strictEqual(found.status, status, found.detail)
      assert.include(found.detail, says)
      assert.include(Option.getOrElse(found.remedy, () => ""), remedy)
      yield* sql.unsafe(mend)
      assert.notStrictEqual((yield* checkOf(check)).status, status)
    }))
})

layer(Database.layer({ empty: true }), { excludeTestServices: true })(
  "a diagnosis of a database without a store",
  (it) => {
    it.effect("says how to make one, and asks nothing of what is not there", () =>
      Effect.gen(function*() {
        const checks = yield* Stream.runCollect(Diagnosis.checks)
        assert.deepStrictEqual(checks.filter(({ status }) => status === "problem").map(({ check }) => check), [
          "schema"
        ])
        assert.strictEqual((yield* Inspection.versions).functions, "none")
      }))
  }
)

layer(Database.layer({ empty: true }), { excludeTestServices: true })("a diagnosis of a stock Message DB", (it) => {
  it.effect("says what the schema eventfold would add", () =>
    Effect.gen(function*() {
      yield* MessageDb.install("1.3.0")
      const { detail, status } = yield* checkOf("schema")
      assert.strictEqual(status, "notice")
      assert.include(detail, "a stock Message DB without the schema eventfold")
      const { functions, messageDb, schema } = yield* Inspection.versions
      assert.deepStrictEqual([functions, messageDb, schema], ["stock", Option.some("1.3.0"), Option.none()])
      assert.deepStrictEqual(yield* Stream.runCollect(Inspection.summary("type")), [])
    }))
})
