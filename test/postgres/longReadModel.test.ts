import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"

const count = shortOrLong(100_000, 300_000)

const noteLength = 210_000_000 / count

const script = fileURLToPath(new URL("longReadModelChild.ts", import.meta.url))

/** Runs the read model in a process whose heap is of so many megabytes. */
const run = (url: string, megabytes: number) =>
  Effect.promise((signal) => {
    const child = spawn(process.execPath, [`--max-old-space-size=${megabytes}`, script, url], {
      stdio: ["ignore", "pipe", "pipe"],
      signal
    })
    const code = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve))
    return Promise.all([code, text(child.stdout), text(child.stderr)])
  })

layer(Database.layer(), { excludeTestServices: true })(`a read model of ${count} messages`, (it) => {
  it.effect("is filled in a heap that holds a fraction of them", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const { url } = yield* Database.Database
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
        SELECT 'counter-' || i % 100, i / 100, 'Added', jsonb_build_object('n', i, 'note', repeat('x', ${noteLength}))
        FROM generate_series(0, ${count - 1}) AS i`
      const megabytes = 96
      // The notes alone are more than twice what the process may hold.
      assert.isAbove(noteLength * count, 2 * megabytes * 1_000_000)

      const [code, , error] = yield* run(url, megabytes)
      assert.strictEqual(code, 0, error)
      assert.deepStrictEqual(
        yield* sql`SELECT count(*) AS streams, sum(count)::bigint AS count, sum(sum)::bigint AS sum,
          sum(letters)::bigint AS letters FROM sums.sums`,
        [{
          streams: 100n,
          count: BigInt(count),
          sum: BigInt(count) * BigInt(count - 1) / 2n,
          letters: BigInt(noteLength) * BigInt(count)
        }]
      )
    }))
})
