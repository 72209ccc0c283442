import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import * as GitLog from "../src/GitLog.ts"

const [first, second] = ["a".repeat(40), "b".repeat(40)]

const log = Buffer.concat([
  Buffer.from(`${first}\x001700000000\0Ada\0\nA\0one\0M\0A\0D\0`),
  Buffer.of(0xff, 0x0a),
  Buffer.from(`\0${second}\0\0\0`)
])

const parse = (...chunks: ReadonlyArray<Uint8Array>) => Stream.runCollect(GitLog.parse(Stream.fromArray(chunks)))

const plain = ({ author, changes, id, time }: GitLog.Commit) => ({
  id,
  author,
  time: DateTime.formatIso(time),
  changes: changes.map(({ kind, path }) => [kind, Buffer.from(path).toString("latin1")])
})

const expected = [
  {
    id: first,
    author: "Ada",
    time: "2023-11-14T22:13:20.000Z",
    changes: [["Added", "one"], ["Modified", "A"], ["Deleted", "\xff\n"]]
  },
  { id: second, author: "", time: "1970-01-01T00:00:00.000Z", changes: [] }
]

describe("GitLog", () => {
  it.effect("reads commits wherever the chunks are cut", () =>
    Effect.gen(function*() {
      for (let cut = 0; cut <= log.length; cut++) {
        const commits = yield* parse(log.subarray(0, cut), log.subarray(cut))
        assert.deepStrictEqual(commits.map(plain), expected)
      }
      const bytes = Array.from(log, (byte) => Uint8Array.of(byte))
      assert.deepStrictEqual((yield* parse(...bytes)).map(plain), expected)
      assert.deepStrictEqual(yield* parse(), [])
    }))

  it.effect("does not give the commit that a failure cuts short", () =>
    Effect.gen(function*() {
      const commits: Array<string> = []
      const broken = Stream.concat(Stream.make(log.subarray(0, 60), log.subarray(60)), Stream.fail("broken" as const))
      const error = yield* GitLog.parse(broken).pipe(
        Stream.runForEach(({ id }) => Effect.sync(() => commits.push(id))),
        Effect.flip
      )
      assert.strictEqual(error, "broken")
      assert.deepStrictEqual(commits, [first])
    }))

  it.effect.each(["X\0path\0", "R100\0from\0to\0", "warning\0"])("refuses %j", (rest) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(parse(Buffer.from(`${first}\x001\0Ada\0\n${rest}`)))
      assert.strictEqual(error._tag, "UnexpectedOutput")
      assert.notInclude(error.message, "\n")
    }))
})
