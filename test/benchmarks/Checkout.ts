/**
 * Another checkout of this project, whose build is compared with this one.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Runtime from "effect/Runtime"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** A folder that is no checkout whose build can be measured. */
export class CheckoutError extends Data.TaggedError("CheckoutError")<{
  readonly folder: string
  readonly message: string
}> {
  /** `main.ts` prints the message. */
  override readonly [Runtime.errorReported] = false
}

export interface Checkout {
  readonly folder: string
  /** The commit, with `-dirty` when files differ from it. Empty without Git. */
  readonly commit: string
}

/** Where the programs of the benchmark find the packages of a build. */
const dependency = "test/benchmarks/node_modules/eventfold"

/** Opens the checkout in a folder; a relative one begins at the working directory. */
export const open = Effect.fnUntraced(function*(path: string): Effect.fn.Return<
  Checkout,
  CheckoutError | PlatformError,
  FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner
> {
  const fs = yield* FileSystem.FileSystem
  const folder = resolve(path)
  const fail = (message: string) => Effect.fail(new CheckoutError({ folder, message: `${folder} ${message}` }))
  if (!(yield* fs.exists(folder))) return yield* fail("does not exist")
  if ((yield* fs.stat(folder)).type !== "Directory") {
    return yield* fail("is not a checkout of eventfold: it is not a folder")
  }
  if (!(yield* fs.exists(join(folder, "packages/eventfold/package.json")))) {
    return yield* fail("is not a checkout of eventfold: packages/eventfold/package.json is missing")
  }
  if (!(yield* fs.exists(join(folder, dependency)))) {
    return yield* fail("has no dependencies: run `npx pnpm install` there")
  }
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const commit = yield* spawner.string(ChildProcess.make("git", ["-C", folder, "describe", "--always", "--dirty"]))
    .pipe(
      Effect.catchTag("PlatformError", () => Effect.succeed(""))
    )
  return { folder, commit: commit.trim() }
})

/** The checkout of this program. */
export const own = Effect.suspend(() => open(fileURLToPath(new URL("../..", import.meta.url))))
