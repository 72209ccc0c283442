/**
 * The files of the page, as `page/build.ts` has made them: each compressed, under a name that changes with its content.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { gunzipSync } from "node:zlib"

const Compressed = Schema.Struct({
  type: Schema.String,
  gzip: Schema.Uint8ArrayFromBase64,
  brotli: Schema.Uint8ArrayFromBase64
})

const Module = Schema.Struct({
  /** The names of the files that the document names. */
  entry: Schema.Struct({ script: Schema.String, style: Schema.String, icon: Schema.String }),
  files: Schema.Record(Schema.String, Compressed)
})

/** The page. */
export type Built = typeof Module.Type

/** A file of the page. */
export type File = typeof Compressed.Type

/** The page is not there. */
export class PageUnavailable extends Schema.TaggedError<PageUnavailable>()("PageUnavailable", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "the page could not be loaded: it is built by page/build.ts of @eventfold/http"
  }
}

const folder = new URL("../../../page/", import.meta.url)
const module = new URL("dist/page.js", folder)
const builder = fileURLToPath(new URL("build.ts", folder))

/** A clone has the sources, and builds them in a process of its own when they have changed. A published package has the module alone. */
const build = Effect.tryPromise({
  try: async (signal) => {
    if (existsSync(builder)) await promisify(execFile)(process.execPath, [builder], { signal })
  },
  catch: (cause) => new PageUnavailable({ cause })
})

/** Loads the page. */
export const load: Effect.Effect<Built, PageUnavailable> = build.pipe(
  Effect.andThen(Effect.tryPromise({
    try: (): Promise<unknown> => import(module.href),
    catch: (cause) => new PageUnavailable({ cause })
  })),
  Effect.flatMap((loaded) =>
    Effect.mapError(Schema.decodeUnknownEffect(Module)(loaded), (cause) => new PageUnavailable({ cause }))
  )
)

/** The bytes of a file in an encoding that the client takes, and the encoding. */
export const encoded = (
  { brotli, gzip }: File,
  accepted: string
): { readonly bytes: Uint8Array; readonly encoding: string | undefined } => {
  if (/\bbr\b/.test(accepted)) return { bytes: brotli, encoding: "br" }
  if (/\bgzip\b/.test(accepted)) return { bytes: gzip, encoding: "gzip" }
  return { bytes: gunzipSync(gzip), encoding: undefined }
}
