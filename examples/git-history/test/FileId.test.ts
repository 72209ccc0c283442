import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as StreamName from "eventfold/StreamName"
import * as FileId from "../src/FileId.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("FileId", () => {
  it.each([
    ["src/main.ts", "src/main.ts"],
    ["-dash - and space", "-dash - and space"],
    [`"quoted" 'twice' \\`, `"quoted" 'twice' \\`],
    ["naïve/日本語/😀", "naïve/日本語/😀"],
    ["c++/a+b", "c%2B%2B/a%2Bb"],
    ["100%", "100%25"],
    ["two\nlines\t\u001b[31m\u0085\u2028", "two%0Alines%09%1B[31m%C2%85%E2%80%A8"],
    ["\uFEFFmarked", "\uFEFFmarked"]
  ])("%j is the id %j", (path, id) => {
    assert.strictEqual(FileId.fromPath(bytes(path)), id)
  })

  it("escapes the bytes of what is not UTF-8", () => {
    assert.strictEqual(FileId.fromPath(Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0x25)), "a%FF%C3(%25")
    // An unpaired surrogate, as CESU-8 has it.
    assert.strictEqual(FileId.fromPath(Uint8Array.of(0xed, 0xa0, 0x80)), "%ED%A0%80")
  })

  it("shortens what is too long, differently for different paths", () => {
    const [a, b] = ["a", "b"].map((end) => FileId.fromPath(bytes("é+".repeat(2_000) + end)))
    assert.notStrictEqual(a, b)
    assert.isBelow(String(a).length, 1_000)
  })

  it("shows the path where that is safe", () => {
    assert.strictEqual(FileId.display(FileId.fromPath(bytes("c++/100%\n%2B"))), "c++/100%%0A%2B")
  })

  const byte = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 255 })))
  const path = Arbitrary.map(
    Arbitrary.array(byte, { minLength: 1, maxLength: 1_000 }),
    (bytes) => Uint8Array.from(bytes)
  )

  it.effect.prop(
    "makes a stream name of any bytes, and another one of other bytes",
    [path, path],
    ([a, b]) =>
      Effect.gen(function*() {
        const [one, other] = [FileId.fromPath(a), FileId.fromPath(b)]
        yield* StreamName.make("file", `0123456789ab/${one}`)
        assert.strictEqual(one === other, Buffer.from(a).equals(b))
        // A path that looks like the id of another one.
        const twin = bytes(one)
        assert.strictEqual(FileId.fromPath(twin) === one, Buffer.from(a).equals(twin))
      })
  )
})
