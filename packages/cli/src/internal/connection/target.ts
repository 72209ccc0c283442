/**
 * Which store a command works on.
 *
 * In this order: the flags, a profile that is named, `DATABASE_URL`, the variables of libpq, the default profile. Variables come from the
 * environment first and then from `.env`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../failures/errors.ts"
import * as ConfigFile from "./configFile.ts"
import { type Lookup, lookup } from "./environment.ts"
import * as Libpq from "./libpq.ts"
import type { FileServices } from "./libpqFiles.ts"
import { Data, LogSchema, type Naming, Profile, Url } from "./settings.ts"

/** A store that a command is to work on. */
export type Target =
  | { readonly _tag: "Database"; readonly url: Redacted.Redacted }
  | { readonly _tag: "Folder"; readonly path: string }

/** The store, and what else the profile says. */
export interface Named {
  readonly target: Target
  /** The log of the database, by the name of its schema; the default one if nothing names another. */
  readonly schema: string | undefined
  /** The module of the application, if the profile names one. */
  readonly module: string | undefined
}

/** What naming a store needs. */
export type NamingServices = Naming | FileServices

const named = (target: Target, module?: string, schema?: string): Named => ({ target, module, schema })

/** A database, or a folder, by a URL as a flag or a profile has it. */
export const databaseAt = (url: Redacted.Redacted, lookup: Lookup): Effect.Effect<Target, UsageError, FileServices> =>
  Effect.map(Libpq.complete(url, lookup), (url) => ({ _tag: "Database", url }))

const ofProfile = Effect.fnUntraced(
  function*({ data, file, module, name, schema, url }: ConfigFile.Profile, lookup: Lookup) {
    if ((url === undefined) === (data === undefined)) {
      return yield* new UsageError({
        message: `the profile ${name} of ${file} must have a url or a data folder, and one of them`
      })
    }
    if (data !== undefined) return named({ _tag: "Folder", path: data }, module, schema)
    return named(yield* databaseAt(Redacted.make(url ?? ""), lookup), module, schema)
  }
)

/** The profile that a flag or a variable names. */
const namedProfile = Effect.fnUntraced(function*(lookup: Lookup) {
  const flag = yield* Profile
  return Option.isSome(flag) ? flag : yield* lookup("EVENTFOLD_PROFILE")
})

/** The store without what `--schema` says. */
const resolveTarget: Effect.Effect<Named, UsageError, NamingServices> = Effect.gen(function*() {
  const variables = yield* lookup
  const [url, data] = [yield* Url, yield* Data]
  if (Option.isSome(url) && Option.isSome(data)) {
    return yield* new UsageError({ message: "--url and --data name two stores: leave one of them out" })
  }
  if (Option.isSome(url)) return named(yield* databaseAt(url.value, variables))
  if (Option.isSome(data)) {
    if (data.value !== "") return named({ _tag: "Folder", path: data.value })
    return yield* new UsageError({ message: "--data names no folder: its value is empty" })
  }

  const profile = yield* namedProfile(variables)
  if (Option.isSome(profile)) {
    const file = yield* ConfigFile.read(variables)
    if (Option.isNone(file)) {
      return yield* new UsageError({
        message: `there is no configuration file with the profile ${profile.value}`,
        hint: `write eventfold.json: {"profiles": {${JSON.stringify(profile.value)}: {"url": "postgres://..."}}}`
      })
    }
    return yield* ofProfile(yield* file.value.profile(profile.value), variables)
  }

  const fromEnvironment = yield* variables("DATABASE_URL")
  if (Option.isSome(fromEnvironment)) {
    return named(yield* databaseAt(Redacted.make(fromEnvironment.value), variables))
  }
  if (yield* Libpq.namesDatabase(variables)) {
    return named({ _tag: "Database", url: yield* Libpq.ofVariables(variables) })
  }

  const file = yield* ConfigFile.read(variables)
  if (Option.isSome(file) && file.value.default !== undefined) {
    return yield* ofProfile(yield* file.value.profile(file.value.default), variables)
  }
  return yield* new UsageError({
    message: "no store is named",
    hint: "give --url postgres://user@host/database, or --data FOLDER, or set DATABASE_URL"
  })
})

/** The store that the command line, the environment or the configuration name. */
export const resolve: Effect.Effect<Named, UsageError, NamingServices> = Effect.gen(function*() {
  const found = yield* resolveTarget
  return { ...found, schema: Option.getOrElse(yield* LogSchema, () => found.schema) }
})

/** The log that they name, for what asks the database about it. */
export const logOptions = Effect.map(resolve, ({ schema }) => ({ schema }))
