/**
 * What the typed client weighs in a browser: schemas, and nothing of the store. A schema that moves into a module with the store's code
 * doubles it.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const entry = fileURLToPath(import.meta.resolve("@eventfold/http/Client"))

/** In bytes. It is about 69,000. */
const bound = 76_000

it.live("is small in a browser", () =>
  Effect.gen(function*() {
    const { chunks, modules } = yield* Effect.promise(async () => {
      const bundle = await rolldown({ input: entry, platform: "browser", logLevel: "silent" })
      const { output } = await bundle.generate({ format: "esm", minify: true })
      await bundle.close()
      const chunks = output.flatMap((part) => part.type === "chunk" ? [part] : [])
      return { chunks, modules: chunks.flatMap((chunk) => Object.keys(chunk.modules)) }
    })
    const size = chunks.reduce((sum, { code }) => sum + gzipSync(code).length, 0)
    assert.isBelow(size, bound)
    assert.deepStrictEqual(modules.filter((path) => path.endsWith("/eventfold/src/MessageStore.ts")), [])
  }), 30_000)
