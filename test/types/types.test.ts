/**
 * What the compiler says to users: about their mistakes, and about what their programs are.
 *
 * The files of `mistakes` do not compile. Above each line with a mistake stands what the compiler says about it, word for
 * word, after `// >`. About anything else it must say nothing. To add a mistake, write the program; the test shows the words.
 *
 * The files of `programs` compile. Their declarations are what an editor shows for a name, but for layout.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { basename, join, relative } from "node:path"
import { compile, folder } from "../support/Compiler.ts"

const mistakes = readdirSync(join(import.meta.dirname, "mistakes"))

/** The lines of a program that have a mistake, from 1, each with what the compiler should say. */
const expected = (program: string): ReadonlyMap<number, string> => {
  const byLine = new Map<number, string>()
  let words: Array<string> = []
  for (const [index, line] of program.split("\n").entries()) {
    const [, word] = /^\s*\/\/ > (.*)$/.exec(line) ?? []
    if (word !== undefined) words.push(word)
    else if (words.length > 0) {
      byLine.set(index + 1, words.join("\n"))
      words = []
    }
  }
  return byLine
}

const asText = (byLine: ReadonlyMap<number, string>): string =>
  [...byLine].toSorted(([a], [b]) => a - b).map(([line, words]) => `line ${line}:\n${words}`).join("\n\n")

/** The declarations of a file by name, each in one line. */
const declarations = (text: string): ReadonlyMap<string, string> => {
  const byName = new Map<string, string>()
  for (const statement of text.split(/\n(?=export |declare |import )/)) {
    const [, name] = /^export declare (?:const|class|function|type|interface) (\w+)/.exec(statement) ?? []
    if (name === undefined) continue
    byName.set(name, statement.replace(/^export declare /, "").replaceAll(/\s+/g, " ").replace(/;\s*$/, ""))
  }
  return byName
}

class Compiled extends Context.Service<Compiled, {
  /** What the compiler says about a file of `mistakes`, by line. */
  readonly said: (file: string) => ReadonlyMap<number, string>
  /** What it says about anything else. */
  readonly elsewhere: ReadonlyArray<string>
  readonly declared: (program: string) => Effect.Effect<ReadonlyMap<string, string>>
}>()("test/types/Compiled") {
  static readonly layer = Layer.effect(
    Compiled,
    Effect.gen(function*() {
      const path = yield* folder("types-")
      const here = relative(path, import.meta.dirname)
      const rootDir = join(import.meta.dirname, "../..")
      const found = yield* compile(
        path,
        { declaration: true, emitDeclarationOnly: true, noEmitOnError: false, outDir: path, rootDir },
        [`${here}/mistakes/*.ts`, `${here}/programs/*.ts`]
      )
      const said = new Map(mistakes.map((file) => [file, new Map<number, string>()]))
      const elsewhere: Array<string> = []
      for (const { line, message, path = "" } of found) {
        const file = said.get(basename(path))
        if (file === undefined || !path.startsWith(`${here}/mistakes/`)) {
          elsewhere.push(`${path}(${line}): ${message}`)
          continue
        }
        const words = message.replace(/^error TS\d+: /, "")
        file.set(line, [...(file.has(line) ? [file.get(line)] : []), words].join("\n"))
      }
      return {
        said: (file) => said.get(file) ?? new Map(),
        elsewhere,
        declared: (program) =>
          Effect.promise(() => readFile(join(path, "test/types/programs", program), "utf8")).pipe(
            Effect.map(declarations)
          )
      }
    })
  )
}

describe("the harness", () => {
  it("finds the words above a line", () => {
    const program = ["const a = 1", "  // > One.", "  // >   Two.", "a.b", "", "// > Three.", "c"].join("\n")
    assert.deepStrictEqual([...expected(program)], [[4, "One.\n  Two."], [7, "Three."]])
  })

  it("finds declarations", () => {
    const text = "import a\nexport declare const a: {\n    b: string;\n};\nexport declare class C {\n}\nexport {};\n"
    assert.deepStrictEqual([...declarations(text)], [["a", "const a: { b: string; }"], ["C", "class C { }"]])
  })
})

layer(Compiled.layer, { excludeTestServices: true })("the compiler", (it) => {
  it.effect("says nothing about what is right", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* Compiled).elsewhere, [])
    }))

  for (const file of mistakes) {
    it.effect(`says what is wrong in ${file}`, () =>
      Effect.gen(function*() {
        const words = expected(readFileSync(join(import.meta.dirname, "mistakes", file), "utf8"))
        assert.isAbove(words.size, 0)
        assert.strictEqual(asText((yield* Compiled).said(file)), asText(words))
      }))
  }

  it.effect("declares functions over two categories in words that one can read", () =>
    Effect.gen(function*() {
      const declared = yield* (yield* Compiled).declared("transfers.d.ts")
      const store = `import("eventfold/MessageStore").MessageStore`
      const balance = "{ readonly balance: number; readonly open: boolean; }"
      const progress = `"none" | "received" | "refused" | "requested" | "sent"`
      const expected = {
        withdraw: "const withdraw: (id: string, amount: number) => Effect.Effect<" +
          `Entity.Transacted<${balance}, typeof Account, void>, InsufficientFunds | Entity.TransactError, ${store}>`,
        move: "const move: (id: string, to: string, amount: number) => Effect.Effect<" +
          `Entity.Transacted<${progress}, typeof Transfer, void>, InsufficientFunds | Entity.TransactError, ${store}>`,
        request: "const request: (id: string, from: string, to: string, amount: number) => Effect.Effect<" +
          `Entity.TransactedAll<{ payer: Entity.Target<typeof Account, ${balance}>; ` +
          `transfer: Entity.Target<typeof Transfer, ${progress}>; }, number>, ` +
          `InsufficientFunds | Entity.TransactError, ${store}>`
      }
      assert.deepStrictEqual({
        withdraw: declared.get("withdraw"),
        move: declared.get("move"),
        request: declared.get("request")
      }, expected)
      assert.isAtMost(expected.withdraw.length, 300)
      assert.isAtMost(expected.move.length, 300)
    }))

  it.effect("declares events with metadata by the fields of the metadata", () =>
    Effect.gen(function*() {
      const declared = yield* (yield* Compiled).declared("metadata.d.ts")
      const fields = "{ readonly userId: Schema.String; readonly tenant: Schema.optionalKey<Schema.Int>; }"
      const expired = `Category.NewEvent<"Expired", {}, ${fields}>`
      const expected = {
        expire: `const expire: (userId: string) => ${expired}`,
        decideExpire: `const decideExpire: (state: typeof Loans.state.Type) => ${expired}[]`,
        start: "const start: (book: string) => Effect.Effect<{ " +
          `loan: Category.NewEvent<"Started", { readonly book: string; }, ${fields}>; ` +
          `book: Category.NewEvent<"Lent", { readonly loan: string; }, import("eventfold/Metadata").Metadata>; ` +
          "}, never, never>"
      }
      assert.deepStrictEqual({
        expire: declared.get("expire"),
        decideExpire: declared.get("decideExpire"),
        start: declared.get("start")
      }, expected)
    }))
})
