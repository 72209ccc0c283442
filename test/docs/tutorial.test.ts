/**
 * The tutorial works as one reads it: the files of each step compile, its programs print what the page says, its tests pass, and its
 * service answers.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile, spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { compile, folder } from "../support/Compiler.ts"
import { isLong } from "../support/Form.ts"

const page = readFileSync(resolve(import.meta.dirname, "../../docs/tutorial.md"), "utf8")

/** A block of a step: a file, or a command with what it prints. */
type Part =
  | { readonly file: string; readonly code: string }
  | { readonly command: string; readonly output: string | undefined }

const parts = (step: string): ReadonlyArray<Part> => {
  const blocks = [...step.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = "", text = ""]) => ({
    language,
    text
  }))
  return blocks.flatMap(({ language, text }, i): ReadonlyArray<Part> => {
    const [, file] = /^\/\/ (\S+\.ts)\n/.exec(text) ?? []
    if (language === "ts") return file === undefined ? [] : [{ file, code: text }]
    if (language !== "sh") return []
    const next = blocks[i + 1]
    return [{ command: text.trim(), output: next?.language === "" ? next.text : undefined }]
  })
}

const steps = page.split(/^## (?=\d)/m).slice(1).map(parts)

const run = promisify(execFile)

const vitest = join(createRequire(import.meta.url).resolve("vitest/package.json"), "../vitest.mjs")

/** The arguments of Node for a command of the page. */
const argumentsOf = (command: string): ReadonlyArray<string> => {
  if (command === "npx vitest run") return [vitest, "run", "--root", "."]
  const [, file] = /^node (\S+)$/.exec(command) ?? []
  assert.isDefined(file, `"${command}" is a command that this test does not know`)
  return [file ?? ""]
}

const post = (url: string, body: unknown) =>
  Effect.promise(async () => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    })
    return answer.status
  })

/** Starts the service, and gives its address, and its lines as they come. */
const serve = (cwd: string) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["server.ts"], { cwd, env: { ...process.env, PORT: "0" } })),
    (child) =>
      Effect.promise(() =>
        new Promise((done) => {
          child.once("close", done)
          if (child.exitCode === null) child.kill("SIGTERM")
          else done(undefined)
        })
      )
  ).pipe(Effect.map((child) => {
    let printed = ""
    child.stdout.on("data", (chunk) => printed += String(chunk))
    child.stderr.on("data", (chunk) => printed += String(chunk))
    const match = (pattern: RegExp) =>
      Effect.callback<string>((resume) => {
        const look = () => {
          const [, found] = pattern.exec(printed) ?? []
          if (found !== undefined) resume(Effect.succeed(found))
        }
        child.stdout.on("data", look)
        child.once("exit", () => resume(Effect.die(new Error(`the service has ended: ${printed}`))))
        look()
      }).pipe(Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => Effect.die(new Error(`the service did not print ${String(pattern)}: ${printed}`))
      }))
    return { match }
  }))

it("has steps that grow", () => {
  assert.isAtLeast(steps.length, 8)
  assert.isAtLeast(steps.flat().filter((part) => "command" in part && part.output !== undefined).length, 6)
})

it.live("the files of each step compile", () =>
  Effect.gen(function*() {
    const path = yield* folder("tutorial-types-")
    const files = new Map<string, string>()
    for (const [i, step] of steps.entries()) {
      for (const part of step) if ("file" in part) files.set(part.file, part.code)
      mkdirSync(join(path, `step-${i + 1}`))
      for (const [file, code] of files) writeFileSync(join(path, `step-${i + 1}`, file), code)
    }
    assert.deepStrictEqual(yield* compile(path, { noEmit: true }, ["*/*.ts"]), [])
  }).pipe(Effect.scoped))

it.live.skipIf(!isLong)(
  "each program prints what the page says, and the service answers",
  () =>
    Effect.gen(function*() {
      const cwd = yield* folder("tutorial-")
      for (const part of steps.slice(1).flat()) {
        if ("file" in part) {
          writeFileSync(join(cwd, part.file), part.code)
        } else if (part.command !== "node server.ts") {
          const { stdout } = yield* Effect.promise(() => run(process.execPath, argumentsOf(part.command), { cwd }))
          if (part.output !== undefined) assert.strictEqual(stdout, part.output, part.command)
        }
      }
      const service = yield* serve(cwd)
      const url = yield* service.match(/look at (\S+)/)
      const ulysses = `${url}/entities/book/ulysses/commands`
      assert.strictEqual(yield* post(`${ulysses}/Add`, { title: "Ulysses" }), 201)
      const loan = { loan: "3", member: "cid", due: "2026-01-01T00:00:00Z" }
      assert.strictEqual(yield* post(`${ulysses}/Lend`, loan), 201)
      assert.strictEqual(yield* post(`${ulysses}/Lend`, { ...loan, loan: "4" }), 409)
      yield* service.match(/(mail to cid: please bring back ulysses)/)
    }).pipe(Effect.scoped)
)
