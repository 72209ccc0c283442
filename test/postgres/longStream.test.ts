import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import * as Database from "../support/Database.ts"
import { shortOrLong } from "../support/Form.ts"

const count = shortOrLong(250_000, 1_000_000)

const noteLength = 200_000_000 / count

const script = fileURLToPath(new URL("foldChild.ts", import.meta.url))

/** Loads an entity in a process whose heap is of so many megabytes. */
const load = (url: string, id: string, megabytes: number) =>
  Effect.promise((signal) => {
    const child = spawn(process.execPath, [`--max-old-space-size=${megabytes}`, script, url, id], {
      stdio: ["ignore", "pipe", "pipe"],
      signal
    })
    const code = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve))
    return Promise.all([code, text(child.stdout), text(child.stderr)])
  })

layer(Database.layer(), { excludeTestServices: true })(`a stream of ${count} events`, (it) => {
  it.effect("is loaded in a heap that holds a fraction of it", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      const { url } = yield* Database.Database
      yield* sql`INSERT INTO message_store.messages (stream_name, position, type, data)
        SELECT 'counter-1', i, 'Added', jsonb_build_object('n', i, 'note', repeat('x', ${noteLength}))
        FROM generate_series(0, ${count - 1}) AS i`
      const megabytes = 48
      // The notes alone are several times what the process may hold.
      assert.isAbove(noteLength * count, 4 * megabytes * 1_000_000)

      const [code, out, error] = yield* load(url, "1", megabytes)
      assert.strictEqual(code, 0, error)
      assert.deepStrictEqual(JSON.parse(out), {
        state: { count, sum: count * (count - 1) / 2, letters: noteLength * count },
        version: { _id: "Option", _tag: "Some", value: count - 1 }
      })
    }))
})
