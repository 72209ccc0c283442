import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"

/** Name, category, id, cardinal id, whether it is a category: as observed on Message DB 1.3.0. */
const names: ReadonlyArray<readonly [string | null, string | null, string | null, string | null, boolean]> = [
  ["account-123", "account", "123", "123", false],
  ["account", "account", null, null, true],
  ["", "", null, null, true],
  ["-", "", "", "", false],
  ["-123", "", "123", "123", false],
  ["account-", "account", "", "", false],
  ["account-123-456", "account", "123-456", "123-456", false],
  ["account-123+456", "account", "123+456", "123", false],
  ["account-123+456+789", "account", "123+456+789", "123", false],
  ["account-+456", "account", "+456", "", false],
  ["account-123+", "account", "123+", "123", false],
  ["account-1-2+3-4", "account", "1-2+3-4", "1-2", false],
  ["account--1", "account", "-1", "-1", false],
  ["account:command-123", "account:command", "123", "123", false],
  ["account:command+position-123", "account:command+position", "123", "123", false],
  ["account:command+position-123+456", "account:command+position", "123+456", "123", false],
  ["a+b-c", "a+b", "c", "c", false],
  ["$all", "$all", null, null, true],
  ["über-日本+é", "über", "日本+é", "日本", false],
  [null, null, null, null, true]
]

const hashes: ReadonlyArray<readonly [string | null, bigint | null]> = [
  ["someStream", 2053039834977696644n],
  ["someStream-123", -6897031765186548867n],
  ["account", -2132379389342958165n],
  ["account:command", 4331363904667975395n],
  ["testStream-5a3d", 6890946414463808648n],
  ["", -3162216497309240828n],
  ["a", 919145239626757800n],
  ["123", 2318431741638412123n],
  ["é日本", 1028686337839764386n],
  [null, null]
]

for (const server of inject("postgres")) {
  layer(Database.layer({ server }), { excludeTestServices: true })(`names on ${server.name}`, (it) => {
    it.effect.each(names)("%s", ([name, category, id, cardinalId, isCategory]) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const [row] = yield* sql`SELECT
          message_store.category(${name}) AS category,
          message_store.id(${name}) AS id,
          message_store.cardinal_id(${name}) AS cardinal_id,
          message_store.is_category(${name}) AS is_category`
        assert.deepStrictEqual(row, { category, id, cardinal_id: cardinalId, is_category: isCategory })
      }))

    it.effect.each(hashes)("hash of %s", ([value, hash]) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(yield* sql`SELECT message_store.hash_64(value => ${value}) AS hash`, [{ hash }])
      }))
  })
}
