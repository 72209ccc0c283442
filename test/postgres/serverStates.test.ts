/**
 * The states of a server: each SQLSTATE as docs/failures.md has it, and what stores and consumers do while a server takes no
 * writes, is full, or takes over from another one.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import { StoreError } from "eventfold/StoreError"
import { readFile } from "node:fs/promises"
import * as Database from "../support/Database.ts"
import * as Store from "../support/Store.ts"

/** What the docs say of SQLSTATEs: single codes, and classes as `08xxx`. */
const documented = Effect.promise(async () => {
  const text = await readFile(new URL("../../docs/failures.md", import.meta.url), "utf8")
  const states = new Map<string, string>()
  for (const row of text.split("<!-- sqlstates -->")[1]?.matchAll(/^\| (`.*?) *\|.*\| (\w+) *\|$/gm) ?? []) {
    for (const [, code = ""] of row[1]?.matchAll(/`(\w{5})`/g) ?? []) states.set(code, row[2] ?? "")
  }
  return states
})

/** Every SQLSTATE of an error, from the list that comes with the server. */
const listed = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly code: string }>`SELECT DISTINCT line.found[1] AS code
    FROM pg_config AS place, regexp_matches(pg_read_file(place.setting || '/errcodes.txt'),
      '^([0-9A-Z]{5})\\s+E\\s', 'gn') AS line (found)
    WHERE place.name = 'SHAREDIR' ORDER BY code`
  return rows.map(({ code }) => code)
})

layer(Database.layer(), { excludeTestServices: true })("an error of the server", (it) => {
  it.effect("is by its SQLSTATE what the docs say, for every code that PostgreSQL has", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const states = yield* documented
      assert.isAbove(states.size, 20)
      yield* sql`CREATE SEQUENCE attempts`
      yield* sql`CREATE OR REPLACE FUNCTION message_store.stream_version(stream_name varchar) RETURNS bigint
        LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM nextval('public.attempts');
          RAISE EXCEPTION 'raised' USING ERRCODE = message_store.id(stream_name);
        END;
        $$`
      const store = yield* Store.open((yield* Database.Database).url, { retry: Schedule.recurs(2) })
      const attempts = Effect.map(
        sql<{ readonly last: bigint }>`SELECT last_value AS last FROM attempts`,
        ([row]) => Number(row?.last)
      )
      const codes = yield* listed
      assert.isAbove(codes.length, 230)
      for (const code of codes) {
        yield* sql`SELECT setval('attempts', 1)`
        const exit = yield* Effect.exit(store.streamVersion(`raise-${code}`))
        assert(Exit.isFailure(exit))
        const [reason] = exit.cause.reasons
        assert(reason?._tag === "Fail" && reason.error instanceof StoreError, code)
        assert.include(reason.error.reason, `raised [${code}]`)
        // The client itself repeats what may be a stale prepared statement, once.
        const repeated = (yield* attempts) > 3
        const state = states.get(code) ?? states.get(`${code.slice(0, 2)}xxx`) ?? "final"
        assert.deepStrictEqual(
          [code, reason.error.isRetryable, repeated],
          [code, state !== "final", state === "passes" || state === "elsewhere"]
        )
      }
    }))
})
