/**
 * The configuration file: stores by name, so that a command says `--profile shop`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { UsageError } from "../failures/errors.ts"
import { unreadable } from "../failures/files.ts"
import { home, type Lookup } from "./environment.ts"
import { ConfigFile } from "./settings.ts"

/** A store, and the module of its application. Paths are relative to the file. */
const ProfileSchema = Schema.Struct({
  url: Schema.optionalKey(Schema.String),
  data: Schema.optionalKey(Schema.String),
  schema: Schema.optionalKey(Schema.String),
  module: Schema.optionalKey(Schema.String)
})

const FileSchema = Schema.Struct({
  /** The profile of a command that names none. */
  default: Schema.optionalKey(Schema.String),
  profiles: Schema.Record(Schema.String, ProfileSchema)
})

/** A profile, with whole paths. */
export interface Profile {
  readonly name: string
  readonly file: string
  readonly url: string | undefined
  readonly data: string | undefined
  /** The log, by the name of its schema. */
  readonly schema: string | undefined
  readonly module: string | undefined
}

/** A configuration file that was found. */
export interface Found {
  readonly file: string
  readonly default: string | undefined
  readonly profile: (name: string) => Effect.Effect<Profile, UsageError>
}

const decode = Schema.decodeEffect(Schema.fromJsonString(FileSchema), { onExcessProperty: "error", errors: "all" })

const listed = (names: ReadonlyArray<string>): string => names.length === 0 ? "none" : names.join(", ")

/** The files in which it looks, in this order: the one named, or those by convention. */
const candidates = Effect.fnUntraced(function*(lookup: Lookup) {
  const path = yield* Path.Path
  const named = yield* ConfigFile
  if (Option.isSome(named)) return { files: [named.value], isNamed: true }
  const variable = yield* lookup("EVENTFOLD_CONFIG")
  if (Option.isSome(variable)) return { files: [variable.value], isNamed: true }
  const base = yield* lookup("XDG_CONFIG_HOME")
  const ofHome = Option.map(yield* home(lookup), (folder) => path.join(folder, ".config"))
  const folder = Option.orElse(base, () => ofHome)
  const ofUser = Option.match(folder, {
    onNone: () => [],
    onSome: (one) => [path.join(one, "eventfold", "config.json")]
  })
  return { files: ["eventfold.json", ...ofUser], isNamed: false }
})

/** Reads the configuration file; none when there is none and none is named. */
export const read = Effect.fnUntraced(function*(
  lookup: Lookup
): Effect.fn.Return<
  Option.Option<Found>,
  UsageError,
  FileSystem.FileSystem | Path.Path | typeof ConfigFile.Identifier
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { files, isNamed } = yield* candidates(lookup)
  for (const file of files) {
    const text = yield* fs.readFileString(file).pipe(
      Effect.asSome,
      Effect.catch((error) =>
        error.reason._tag === "NotFound" && !isNamed
          ? Effect.succeedNone
          : Effect.fail(unreadable(`the configuration file ${file}`)(error))
      )
    )
    if (Option.isNone(text)) continue
    const { default: standard, profiles } = yield* Effect.mapError(
      decode(text.value),
      (error) =>
        new UsageError({
          message: `the configuration file ${file} can't be used: ${error.message}`,
          hint: `it has the form {"default": "shop", "profiles": {"shop": {"url": "postgres://..."}}}`
        })
    )
    const at = (relative: string | undefined) =>
      relative === undefined ? undefined : path.resolve(path.dirname(file), relative)
    return Option.some<Found>({
      file,
      default: standard,
      profile: (name) => {
        const profile = profiles[name]
        return profile === undefined
          ? Effect.fail(
            new UsageError({
              message: `${file} has no profile ${name}`,
              hint: `it has: ${listed(Object.keys(profiles))}`
            })
          )
          : Effect.succeed({
            name,
            file,
            url: profile.url,
            data: at(profile.data),
            schema: profile.schema,
            module: at(profile.module)
          })
      }
    })
  }
  return Option.none()
})
