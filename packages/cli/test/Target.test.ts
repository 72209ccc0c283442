/**
 * Which store a command works on: what names it, and what wins.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Settings from "../src/internal/connection/settings.ts"
import { resolve } from "../src/internal/connection/target.ts"

interface Given {
  readonly url?: string
  readonly data?: string
  readonly profile?: string
  readonly schema?: string
  readonly env?: Readonly<Record<string, string>>
  /** The configuration file. */
  readonly config?: unknown
  /** Files in the folder of the user, which nobody else may read. */
  readonly files?: Readonly<Record<string, string>>
  /** What the files may be read by. Defaults to the user alone. */
  readonly mode?: number
}

/** The store that is named, in words. */
const named = ({ config, data, env = {}, files = {}, mode = 0o600, profile, schema: schemaFlag, url }: Given) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const file = `${folder}/eventfold.json`
    if (config !== undefined) {
      yield* fs.writeFileString(file, typeof config === "string" ? config : JSON.stringify(config))
    }
    for (const [name, text] of Object.entries(files)) {
      yield* fs.writeFileString(`${folder}/${name}`, text)
      yield* fs.chmod(`${folder}/${name}`, mode)
    }
    const { module, schema, target } = yield* resolve.pipe(
      Effect.provideService(Settings.Url, Option.map(Option.fromUndefinedOr(url), (url) => Redacted.make(url))),
      Effect.provideService(Settings.Data, Option.fromUndefinedOr(data)),
      Effect.provideService(Settings.LogSchema, Option.fromUndefinedOr(schemaFlag)),
      Effect.provideService(Settings.Profile, Option.fromUndefinedOr(profile)),
      Effect.provideService(Settings.ConfigFile, config === undefined ? Option.none() : Option.some(file)),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ HOME: folder, ...env })))
    )
    const shown = target._tag === "Folder" ? target.path : Redacted.value(target.url)
    return [shown, module, schema].filter((part) => part !== undefined).map((part) => part.replace(folder, "HERE"))
      .join(" ")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const config = {
  default: "local",
  profiles: {
    local: { data: "store", module: "src/observe.ts" },
    shop: { url: "postgres://app@db1/shop" },
    both: { url: "postgres://app@db1/shop", data: "store" },
    eu: { url: "postgres://app@db1/shop", schema: "shop_eu" }
  }
}

const names: ReadonlyArray<readonly [title: string, given: Given, expected: string]> = [
  [
    "a flag wins over all else",
    { url: "postgres://a@b/c", env: { DATABASE_URL: "postgres://x@y/z" }, config },
    "postgres://a@b/c"
  ],
  ["a folder", { data: "here" }, "here"],
  ["a log", { url: "postgres://a@b/c", schema: "shop_us" }, "postgres://a@b/c shop_us"],
  ["a log of a profile", { profile: "eu", config }, "postgres://app@db1/shop shop_eu"],
  [
    "the flag's log before that of a profile",
    { profile: "eu", schema: "shop_us", config },
    "postgres://app@db1/shop shop_us"
  ],
  [
    "a profile wins over variables",
    { profile: "shop", env: { DATABASE_URL: "postgres://x@y/z" }, config },
    "postgres://app@db1/shop"
  ],
  ["a profile by a variable", { env: { EVENTFOLD_PROFILE: "shop" }, config }, "postgres://app@db1/shop"],
  [
    "DATABASE_URL",
    { env: { DATABASE_URL: "postgres://x@y/z", PGHOST: "other", PGDATABASE: "other" } },
    "postgres://x@y/z"
  ],
  [
    "the variables of libpq",
    {
      env: {
        PGHOST: "db1",
        PGPORT: "5433",
        PGUSER: "app",
        PGDATABASE: "shop",
        PGPASSWORD: "s3cret/",
        PGSSLMODE: "require"
      }
    },
    "postgres://?host=db1&port=5433&dbname=shop&user=app&password=s3cret%2F&sslmode=require"
  ],
  [
    "what a URL leaves out comes from them",
    { url: "postgres://a@b/c", env: { PGPASSWORD: "s3cret", PGHOST: "other", PGPORT: "1", PGUSER: "other" } },
    "postgres://a@b/c?password=s3cret"
  ],
  [
    "what a URL says stays",
    { url: "postgres://a:b@c/d?sslmode=disable", env: { PGPASSWORD: "other", PGSSLMODE: "require" } },
    "postgres://a:b@c/d?sslmode=disable"
  ],
  ["the default profile, relative to its file", { config }, "HERE/store HERE/src/observe.ts"],
  ["an empty variable is none", { env: { DATABASE_URL: "" }, config }, "HERE/store HERE/src/observe.ts"],
  [
    "a password comes from .pgpass, of the first line that fits",
    {
      url: "postgres://app@db1/shop",
      files: {
        ".pgpass": [
          "# comment",
          "db2:5432:shop:app:other",
          "db1:5433:shop:app:other",
          "db1:*:shop:app:s\\:3\\\\cret",
          "*:*:*:*:last"
        ].join("\n")
      }
    },
    "postgres://app@db1/shop?password=s%3A3%5Ccret"
  ],
  [
    "a URL names another file of passwords",
    { url: "postgres://app@[::1]:5433/shop?passfile=/nowhere/pgpass", files: { ".pgpass": "*:*:*:*:other" } },
    "postgres://app@[::1]:5433/shop"
  ],
  [
    "a password that is given wins over .pgpass",
    { url: "postgres://app:mine@db1/shop", files: { ".pgpass": "*:*:*:*:other" } },
    "postgres://app:mine@db1/shop"
  ],
  [
    "a .pgpass that others may read is not used",
    { url: "postgres://app@db1/shop", files: { ".pgpass": "*:*:*:*:other" }, mode: 0o644 },
    "postgres://app@db1/shop"
  ],
  [
    "PGSERVICE names a service, whose server is not mixed with that of the variables",
    {
      env: { PGSERVICE: "shop", PGHOST: "other", PGPORT: "1", PGSSLMODE: "require" },
      files: {
        ".pg_service.conf": "[other]\nhost=x\n\n# ours\n[shop]\nhost=db1\ndbname=shop\nuser=app\n[last]\nuser=y\n",
        ".pgpass": "db1:5432:shop:app:s3cret"
      }
    },
    "postgres://?host=db1&dbname=shop&user=app&sslmode=require&password=s3cret"
  ],
  [
    "a URL names a service, and wins over it",
    {
      url: "postgres://ann@/?service=shop",
      files: { ".pg_service.conf": "[shop]\nhost=db1\ndbname=shop\nuser=app\n" }
    },
    "postgres://ann@/?host=db1&dbname=shop"
  ],
  [
    "what is no URL stays for the library to refuse",
    { url: "mysql://a/b", env: { PGPASSWORD: "s3cret" } },
    "mysql://a/b"
  ]
]

it.effect.each(names)("%s", ([, given, expected]) =>
  Effect.gen(function*() {
    assert.strictEqual(yield* named(given), expected)
  }))

const refusals: ReadonlyArray<readonly [title: string, given: Given, says: string]> = [
  ["nothing that names one", {}, "no store is named"],
  ["two stores", { url: "postgres://a@b/c", data: "here" }, "--url and --data name two stores"],
  ["a profile that is not there", { profile: "other", config }, "has no profile other"],
  ["a profile of two stores", { profile: "both", config }, "must have a url or a data folder"],
  ["a service that is not there", { env: { PGSERVICE: "shop" } }, "there is no service shop"],
  ["a profile without a file", { profile: "shop" }, "no configuration file with the profile shop"],
  ["a file that is no JSON", { config: "{" }, "can't be used"],
  ["a file with a field that means nothing", { config: { profiles: {}, defalt: "local" } }, "defalt"]
]

it.effect.each(refusals)("refuses %s", ([, given, says]) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(named(given))
    assert.strictEqual(error._tag, "UsageError")
    assert.include(error.message, says)
  }))
