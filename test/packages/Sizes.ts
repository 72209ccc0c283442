/**
 * What the packages weigh in a bundle, and what they cost at the start.
 */
import { fileURLToPath } from "node:url"
import { brotliCompressSync } from "node:zlib"
import { rolldown } from "rolldown"

export interface Size {
  /** Bytes of minified code. */
  readonly minified: number
  /** Bytes of it, compressed by brotli. */
  readonly brotli: number
}

const entry = "\0entry"

/** Bundles a program as for a browser, with what it uses of the packages; and of `effect`, unless that is left out. */
export const bundled = async (program: string, { effect }: { readonly effect: boolean }): Promise<Size> => {
  const bundle = await rolldown({
    input: entry,
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    platform: "browser",
    logLevel: "silent",
    external: effect ? [] : [/^effect(\/|$)/],
    plugins: [{
      name: "program",
      resolveId: (id, importer) =>
        id === entry ? id : importer === entry ? fileURLToPath(import.meta.resolve(id)) : null,
      load: (id) => id === entry ? program : null
    }]
  })
  const { output } = await bundle.generate({ format: "esm", minify: true })
  await bundle.close()
  const code = output.flatMap((part) => part.type === "chunk" ? [part.code] : []).join("\n")
  return { minified: Buffer.byteLength(code), brotli: brotliCompressSync(code).length }
}

/** All of the core. */
export const core = "export * from \"eventfold\""

/** An entity on the store in memory: the smallest program that is of use. */
export const hello = `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import * as Entity from "eventfold/Entity"
import * as MessageStore from "eventfold/MessageStore"

const Door = Category.make("door", { Opened: {} })
const Times = Entity.make(Door, { state: Schema.Int, initial: 0, evolve: { Opened: (times) => times + 1 } })
const open = Times.transact("front", () => [Door.events.Opened({})])
Effect.runPromise(Effect.provide(open, MessageStore.layerMemory)).then(({ state }) => console.log(state))
`
