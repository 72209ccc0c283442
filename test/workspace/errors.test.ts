/**
 * Holds what every error of the libraries promises to a reader of the log: its cause begins with its class.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Schema } from "effect"
import { Category, StreamName } from "eventfold"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { root } from "./Imports.ts"

/** The public modules of the packages. */
const publicModules = readdirSync(join(root, "packages")).flatMap((name) => {
  const folder = join("packages", name, "src")
  return readdirSync(join(root, folder)).filter((file) => /^[A-Z]\w*\.ts$/.test(file)).map((file) => join(folder, file))
})

const isErrorClass = (value: unknown): value is new(fields: object) => Error =>
  typeof value === "function" && value.prototype instanceof Error

const errorClasses = new Map(
  (await Promise.all(publicModules.map(async (path) => {
    const exported: object = await import(pathToFileURL(join(root, path)).href)
    return Object.entries(exported).filter((entry): entry is [string, new(fields: object) => Error] =>
      isErrorClass(entry[1])
    )
  }))).flat()
)

/** Errors of a class: of any fields, as its schema says, or with a message, which is what a class without a schema has. */
const samples = Effect.fnUntraced(function*(errorClass: new(fields: object) => Error) {
  if (!Schema.isSchema(errorClass)) return [new errorClass({ message: "said" })]
  return yield* Arbitrary.sampleEffect(Arbitrary.schema(errorClass), { count: 20, seed: 1 })
})

/** The first line of what a log says of the failure. */
const pretty = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.flip(effect), (error) => Cause.pretty(Cause.fail(error)).split("\n")[0])

describe("the cause of an error begins with its class", () => {
  it("in each package", () => {
    const known = ["InvalidStreamName", "Conflict", "HandlerTimeout", "OpenError", "FolderInUse", "LawBroken"]
    assert.includeMembers([...errorClasses.keys()], known)
  })

  it.effect.each([...errorClasses])("%s", ([name, errorClass]) =>
    Effect.gen(function*() {
      for (const error of yield* samples(errorClass)) {
        const text = Cause.pretty(Cause.fail(error))
        assert.strictEqual(text.slice(0, name.length + 1), `${name}:`)
      }
    }))

  it.effect("and names what is wrong once, as it is", () =>
    Effect.gen(function*() {
      const Id = Schema.String.check(Schema.isPattern(/^[a-z]+$/))
      const Concert = Category.make("concert", { Closed: {} }, { id: Id })
      assert.strictEqual(
        yield* pretty(Concert.streamName("A!")),
        `InvalidStreamName: the stream name "concert-A!" has an id that does not fit its schema: ` +
          "Expected a string matching the RegExp ^[a-z]+$"
      )
      assert.strictEqual(
        yield* pretty(StreamName.make("customer", "")),
        `InvalidStreamName: the stream name "customer-" has an empty id`
      )
      assert.strictEqual(
        yield* pretty(StreamName.parseCategory("")),
        `InvalidCategory: the category name "" is empty`
      )
    }))
})
