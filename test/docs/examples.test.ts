/**
 * Compiles every `ts` block of the documentation and of doc comments, each as a module, and imports it: a block works
 * without a database. A block that begins with ```` ```ts no-run ```` is only compiled.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { globSync, readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { compile, diagnostics, folder } from "../support/Compiler.ts"

const root = resolve(import.meta.dirname, "../..")

interface Block {
  readonly file: string
  /** The line of the fence, from 1. The code begins on the next line. */
  readonly line: number
  /** What follows ```` ```ts ````. */
  readonly words: string
  readonly code: string
}

const fence = /^(\s*)(`{3,})(?:ts|typescript|tsx)(?:\s+(.*?))?\s*$/

/** The blocks in lines of Markdown. */
const blocksOf = (file: string, lines: ReadonlyArray<string | undefined>): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (let at = 0; at < lines.length; at++) {
    const [opening, indent = "", ticks = "", words = ""] = fence.exec(lines[at] ?? "") ?? []
    if (opening === undefined) continue
    const code: Array<string> = []
    const line = at + 1
    for (at++; at < lines.length && lines[at]?.trim() !== ticks; at++) {
      code.push((lines[at] ?? "").slice(indent.length))
    }
    blocks.push({ file, line, words, code: code.join("\n") })
  }
  return blocks
}

/** The text of each line of a doc comment. Other lines are undefined, so that line numbers stay. */
const docComments = (source: string): ReadonlyArray<string | undefined> => {
  let inside = false
  return source.split("\n").map((line) => {
    if (/^\s*\/\*\*/.test(line)) inside = !line.includes("*/")
    else if (line.includes("*/")) inside = false
    else if (inside) return line.replace(/^\s*\* ?/, "")
    return undefined
  })
}

const find = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync([...patterns], { cwd: root }).filter((path) => !path.includes("node_modules")).toSorted()

const read = (file: string): string => readFileSync(join(root, file), "utf8")

const blocks = [
  // The tutorial is one program of several files: tutorial.test.ts runs it.
  ...find("*.md", "docs/**/*.md", "{packages,examples}/*/*.md", "{sql,test}/*.md")
    .filter((file) => file !== "docs/tutorial.md")
    .flatMap((file) => blocksOf(file, read(file).split("\n"))),
  ...find("{packages,examples}/*/src/**/*.ts", "sql/src/**/*.ts")
    .flatMap((file) => blocksOf(file, docComments(read(file))))
]

const title = ({ file, line }: Block): string => `${file}:${line}`

const moduleName = (block: Block): string => `${title(block).replaceAll(/[^\w.]+/g, "_")}.ts`

class Compiled extends Context.Service<Compiled, {
  readonly modulePath: (block: Block) => string
  readonly problems: (block: Block) => ReadonlyArray<string>
  readonly elsewhere: ReadonlyArray<string>
}>()("test/docs/Compiled") {
  static readonly layer = Layer.effect(
    Compiled,
    Effect.gen(function*() {
      const path = yield* folder("examples-")
      yield* Effect.promise(() =>
        Promise.all(blocks.map((block) => writeFile(join(path, moduleName(block)), block.code)))
      )
      // Examples define things for the reader, which they do not use.
      const found = yield* compile(path, { noEmit: true, noUnusedLocals: false })
      const modules = new Set(blocks.map(moduleName))
      return {
        modulePath: (block) => join(path, moduleName(block)),
        problems: (block) =>
          found.filter((diagnostic) => diagnostic.path === moduleName(block))
            .map(({ line, message }) => `${block.file}:${block.line + line}: ${message}`),
        elsewhere: found.filter(({ path }) => path === undefined || !modules.has(path)).map(({ line, message, path }) =>
          path === undefined ? message : `${path}:${line}: ${message}`
        )
      }
    })
  )
}

describe("blocks", () => {
  it("are found with their lines, in Markdown and in doc comments", () => {
    const markdown = ["# Title", "```ts", "const a = 1", "```", "```sh", "ls", "```", "  ```ts no-run", "  a", "  ```"]
    assert.deepStrictEqual(blocksOf("a.md", markdown), [
      { file: "a.md", line: 2, words: "", code: "const a = 1" },
      { file: "a.md", line: 8, words: "no-run", code: "a" }
    ])
    const source = [
      "const text = `",
      "```ts",
      "`",
      "/** One line. */",
      "/**",
      " * @example",
      " * ```ts",
      " * if (a) {",
      " *   b()",
      " *",
      " * ```",
      " */"
    ]
    assert.deepStrictEqual(blocksOf("a.ts", docComments(source.join("\n"))), [
      { file: "a.ts", line: 7, words: "", code: "if (a) {\n  b()\n" }
    ])
    assert.includeMembers(blocks.map(({ file }) => file), ["README.md", "packages/eventfold/src/Category.ts"])
    assert.strictEqual(new Set(blocks.map(moduleName)).size, blocks.length)
  })

  it("have no other words than `no-run`", () => {
    assert.deepStrictEqual(blocks.filter(({ words }) => words !== "" && words !== "no-run").map(title), [])
  })

  it("the compiler's output is parsed", () => {
    assert.deepStrictEqual(
      diagnostics("a.ts(2,3): error TS1: one\n  and more\n../b.ts(1,1): error TS2: two\nerror TS3: three\n"),
      [
        { path: "a.ts", line: 2, message: "error TS1: one\n  and more" },
        { path: "../b.ts", line: 1, message: "error TS2: two" },
        { path: undefined, line: 0, message: "error TS3: three" }
      ]
    )
  })
})

layer(Compiled.layer, { excludeTestServices: true })("examples", (it) => {
  it.effect("compile without errors elsewhere", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* Compiled).elsewhere, [])
    }))

  for (const block of blocks) {
    it.effect(title(block), () =>
      Effect.gen(function*() {
        const { modulePath, problems } = yield* Compiled
        assert.deepStrictEqual(problems(block), [])
        if (block.words === "no-run") return
        yield* Effect.promise(() => import(pathToFileURL(modulePath(block)).href))
      }))
  }
})
