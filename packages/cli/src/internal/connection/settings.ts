/**
 * The flags of every command about the store that it works on.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

/** The URL of a database. */
export const Url = GlobalFlag.Setting("url")({
  flag: Flag.Redacted("url").pipe(
    Flag.optional,
    Flag.withDescription(
      "The database: postgres://user@host/database. Other users of the machine see it: keep the password out"
    )
  )
})

/** The folder of an embedded store. */
export const Data = GlobalFlag.Setting("data")({
  flag: Flag.String("data").pipe(
    Flag.optional,
    Flag.withDescription("The folder of an embedded store (PGlite), in place of a database")
  )
})

/** The log of the database. */
export const LogSchema = GlobalFlag.Setting("schema")({
  flag: Flag.String("schema").pipe(
    Flag.optional,
    Flag.withDescription("The log, by the name of its schema; message_store by default")
  )
})

/** A profile of the configuration file. */
export const Profile = GlobalFlag.Setting("profile")({
  flag: Flag.String("profile").pipe(
    Flag.optional,
    Flag.withDescription("A profile of the configuration file")
  )
})

/** The configuration file. */
export const ConfigFile = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    Flag.optional,
    Flag.withDescription(
      "The configuration file: eventfold.json here by default, or one in the folder of the user's configuration"
    )
  )
})

/** The flags of this room. */
export const settings = [Url, Data, LogSchema, Profile, ConfigFile] as const

/** What naming a store needs of the command line. */
export type Naming =
  | typeof Url.Identifier
  | typeof Data.Identifier
  | typeof LogSchema.Identifier
  | typeof Profile.Identifier
  | typeof ConfigFile.Identifier
