/**
 * Loads the definitions of an application.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import { Observe } from "eventfold/Observe"
import * as ObserveModule from "eventfold/Observe"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import type { Observed } from "../../Application.ts"
import { lookup } from "../connection/environment.ts"
import { resolve } from "../connection/target.ts"
import { CommandFailed, UsageError } from "../failures/errors.ts"
import { Module } from "./settings.ts"

/**
 * The command was built into one file, with a copy of the library in it. The application has another one, and both must use the same: the
 * command has to run again from its modules.
 */
export class LibraryNeeded extends Data.TaggedError("LibraryNeeded") {}

/** In the file that is built, where the module of the same program is that uses the library of the application. Its build sets it. */
declare const EVENTFOLD_MODULES: string | undefined

/** The module to run in place of the file that is built; `undefined` where that is what runs. */
export const modules = typeof EVENTFOLD_MODULES === "undefined" ? undefined : EVENTFOLD_MODULES

/** The module that the flag, the environment or the profile names. */
const named = Effect.gen(function*() {
  const flag = yield* Module
  if (Option.isSome(flag)) return flag
  const variable = yield* Effect.flatMap(lookup, (lookup) => lookup("EVENTFOLD_MODULE"))
  return Option.isSome(variable) ? variable : Option.fromUndefinedOr((yield* resolve).module)
})

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

/** The application and the command must use one copy of the library: services of two would not meet. */
const requireSameLibrary = Effect.fnUntraced(function*(file: string) {
  const ours = Effect.try(() => createRequire(import.meta.url).resolve("eventfold"))
  const theirs = Effect.try(() => createRequire(file).resolve("eventfold"))
  const [one, other] = [yield* Effect.option(ours), yield* Effect.option(theirs)]
  // A module without the library in its reach does not load, and says so.
  if (Option.isNone(one) || Option.isNone(other) || one.value === other.value) return
  return yield* new CommandFailed({
    message: `the module ${file} uses another copy of eventfold (${other.value}) than this command (${one.value})`,
    hint: "install the command where the application is: npm install --save-dev @eventfold/cli, and run npx eventfold"
  })
})

const hint = "it has to have `export const observe = Observe.layer({ ... })`"

const isObserved = (value: unknown): value is Observed => Layer.isLayer(value)

/** The layer that a module exports. */
const load = Effect.fnUntraced(function*(file: string) {
  if (modules !== undefined) return yield* new LibraryNeeded()
  const path = (yield* Path.Path).resolve(file)
  yield* requireSameLibrary(path)
  const loaded = yield* Effect.tryPromise({
    try: (): Promise<unknown> => import(pathToFileURL(path).href),
    catch: (cause) => new CommandFailed({ message: `the module ${file} can't be loaded: ${messageOf(cause)}` })
  })
  const observe = Predicate.hasProperty(loaded, "observe") ? loaded.observe : undefined
  if (!isObserved(observe)) {
    return yield* new UsageError({
      message: `the module ${file} ${
        observe === undefined ? "exports no `observe`" : "exports an `observe` that is no layer"
      }`,
      hint
    })
  }
  // What it was built from is not known to the types.
  return Layer.effectContext(Effect.gen(function*() {
    const context = yield* Effect.mapError(
      Layer.build(observe),
      (cause) => new CommandFailed({ message: `the layer \`observe\` of ${file} fails: ${messageOf(cause)}` })
    )
    return Option.isSome(Context.getOption(context, Observe))
      ? context
      : yield* new UsageError({ message: `the layer \`observe\` of ${file} has no Observe`, hint })
  }))
})

/** Whether a module is named. */
export const isNamed = Effect.map(named, Option.isSome)

/** No definitions at all: there is nothing that could be wrong with them. */
export const nothing = Layer.orDie(ObserveModule.layer({}))

/** The definitions of the application, which has to be named. */
export const required = Layer.unwrap(Effect.gen(function*() {
  const file = yield* named
  if (Option.isNone(file)) {
    return yield* new UsageError({
      message: "this needs the definitions of the application",
      hint: "name the module that registers them: --module src/observe.ts"
    })
  }
  return yield* load(file.value)
}))
