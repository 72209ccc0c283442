/**
 * Compiles programs with the workspace's TypeScript compiler, and parses what it says.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

/** What the compiler says about a line. */
export interface Diagnostic {
  /** Undefined when the compiler names no file. */
  readonly path: string | undefined
  readonly line: number
  /** Begins with `error`. The lines below the first are details. */
  readonly message: string
}

/** Parses what `tsc --pretty false` prints: a line for each diagnostic, and its details indented below. */
export const diagnostics = (output: string): ReadonlyArray<Diagnostic> =>
  output.split(/\n(?=\S)/).filter((text) => text.trim() !== "").map((text) => {
    const [, path, line = "0", message = text] = /^(\S[^(\n]*)\((\d+),\d+\): (error[^]*)$/.exec(text) ?? []
    return { path, line: Number(line), message: message.trimEnd() }
  })

const parent = join(root, "test/.eventfold")

/** A scoped folder inside the workspace, so that a program finds the packages by their names. Git ignores `.eventfold`. */
export const folder = (prefix: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(parent, { recursive: true })
      return mkdtemp(join(parent, prefix))
    }),
    (path) =>
      Effect.promise(async () => {
        await rm(path, { recursive: true, force: true })
        // Another run may have its folder there.
        await rmdir(parent).catch(() => undefined)
      })
  )

/** Compiles the programs of a folder with the options of the workspace, and those that are given. */
export const compile = (
  path: string,
  compilerOptions: { readonly [option: string]: unknown },
  include: ReadonlyArray<string> = ["*.ts"]
): Effect.Effect<ReadonlyArray<Diagnostic>> => {
  const tsconfig = {
    extends: join(root, "tsconfig.base.json"),
    compilerOptions: { composite: false, declarationMap: false, sourceMap: false, types: ["node"], ...compilerOptions },
    include
  }
  return Effect.andThen(
    Effect.promise(() => writeFile(join(path, "tsconfig.json"), JSON.stringify(tsconfig))),
    Effect.callback<ReadonlyArray<Diagnostic>>((resume) => {
      const tsc = join(root, "node_modules/typescript/bin/tsc")
      execFile(process.execPath, [tsc, "--pretty", "false", "-p", path], { cwd: path }, (error, stdout, stderr) => {
        const found = diagnostics(stdout + stderr)
        // A compiler that fails without output has not compiled.
        resume(Effect.succeed(error !== null && found.length === 0 ? diagnostics(error.message) : found))
      })
    })
  )
}
