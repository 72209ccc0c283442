/**
 * The files by which programs of libpq know databases: passwords in `.pgpass`, and services in `.pg_service.conf`.
 *
 * `pg` reads the former by `pgpass`, which prints its warnings by itself and knows no services. Both formats are lines.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Stdio from "effect/Stdio"
import { UsageError } from "../failures/errors.ts"
import { unreadable } from "../failures/files.ts"
import { tell } from "../output/terminal.ts"
import { home, type Lookup } from "./environment.ts"

/** What reading the files needs. */
export type FileServices = FileSystem.FileSystem | Path.Path | Stdio.Stdio

/** A file of libpq in the folder of the user: a hidden one, or one among those of applications on Windows. */
const ofUser = Effect.fnUntraced(function*(lookup: Lookup, name: string, onWindows: string) {
  const path = yield* Path.Path
  const applications = yield* lookup("APPDATA")
  if (Option.isSome(applications)) return Option.some(path.join(applications.value, "postgresql", onWindows))
  return Option.map(yield* home(lookup), (folder) => path.join(folder, name))
})

/** The text of a file; none when there is no such file. */
const textOf = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.asSome,
    Effect.catch((error) =>
      error.reason._tag === "NotFound"
        ? Effect.succeedNone
        : Effect.fail(unreadable(`the file ${file}`)(error))
    )
  )
})

/** The fields of a line of `.pgpass`, in which a backslash makes a colon part of a field. */
const fieldsOf = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/((?:\\.|[^\\:])*)(?::|$)/gs)].map(([, field = ""]) => field.replace(/\\(.)/gs, "$1"))

/** What a password is looked up for. */
export interface Login {
  readonly host: string
  readonly port: string
  readonly dbname: string
  readonly user: string
}

/** The password of the first line that fits, as libpq takes it. */
const passwordIn = (text: string, { dbname, host, port, user }: Login): Option.Option<string> => {
  const wanted = [host, port, dbname, user]
  for (const line of text.split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue
    const fields = fieldsOf(line)
    const password = fields[wanted.length]
    if (password === undefined || password === "") continue
    if (wanted.every((value, i) => fields[i] === "*" || fields[i] === value)) return Option.some(password)
  }
  return Option.none()
}

/** Whether others than the user may read a file. Windows has other permissions, and libpq looks at none there. */
const isOpenToOthers = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  if (process.platform === "win32") return false
  return yield* Effect.match(fs.stat(file), {
    onFailure: () => false,
    onSuccess: ({ mode }) => (mode & 0o077) !== 0
  })
})

/** The password that `.pgpass`, or the file that is named in its place, has for a login. */
export const password = Effect.fnUntraced(function*(
  lookup: Lookup,
  named: Option.Option<string>,
  login: Login
): Effect.fn.Return<Option.Option<string>, UsageError, FileServices> {
  const file = Option.isSome(named) ? named : yield* ofUser(lookup, ".pgpass", "pgpass.conf")
  if (Option.isNone(file)) return Option.none()
  const text = yield* textOf(file.value)
  if (Option.isNone(text)) return Option.none()
  if (yield* isOpenToOthers(file.value)) {
    yield* tell(
      `the file ${file.value} is not used, as with psql: others may read the passwords in it. chmod 600 mends it`
    )
    return Option.none()
  }
  return passwordIn(text.value, login)
})

/** The settings of a service, by libpq's names; none when the file does not have it. */
const settingsIn = (text: string, service: string): ReadonlyMap<string, string> | undefined => {
  let settings: Map<string, string> | undefined
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#")) continue
    if (line.startsWith("[")) {
      if (settings !== undefined) return settings
      if (line === `[${service}]`) settings = new Map()
      continue
    }
    const equals = line.indexOf("=")
    if (equals > 0) settings?.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim())
  }
  return settings
}

/** The settings of a service: of the file that is named, or of the user's, or of the machine's. */
export const service = Effect.fnUntraced(function*(
  lookup: Lookup,
  name: string,
  named: Option.Option<string>
): Effect.fn.Return<ReadonlyMap<string, string>, UsageError, FileServices> {
  const path = yield* Path.Path
  const own = Option.isSome(named) ? named : yield* ofUser(lookup, ".pg_service.conf", ".pg_service.conf")
  const ofMachine = Option.map(yield* lookup("PGSYSCONFDIR"), (folder) => path.join(folder, "pg_service.conf"))
  const files = [...Option.toArray(own), ...Option.toArray(ofMachine)]
  for (const file of files) {
    const settings = Option.flatMap(yield* textOf(file), (text) => Option.fromUndefinedOr(settingsIn(text, name)))
    if (Option.isSome(settings)) return settings.value
  }
  return yield* new UsageError({
    message: `there is no service ${name}`,
    hint: files.length === 0
      ? "PGSERVICEFILE names the file that has it"
      : `it was looked for in ${files.join(" and ")}`
  })
})
