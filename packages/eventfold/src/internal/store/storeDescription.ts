import * as Schema from "effect/Schema"
import { StoreIdentity } from "./storeIdentity.ts"

/**
 * A table or an index of the store's schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoreRelation = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  kind: Schema.Literals(["table", "index"]),
  /** The table of an index; none for a table. */
  table: Schema.OptionFromNullOr(Schema.String),
  /** What it takes on disk, a table without its indexes. */
  bytes: Schema.Int,
  /** About how many rows a table has, by the statistics of the database; none for an index, and before there are statistics. */
  rows: Schema.OptionFromNullOr(Schema.Int),
  /** Whether an index can be used: one that could not be built to its end can't. A table always is. */
  isValid: Schema.Boolean,
  /** How often an index was used since the database counts; none for a table, and for a role that may not see it. */
  scans: Schema.OptionFromNullOr(Schema.Int)
})

/**
 * A table or an index of the store's schemas.
 *
 * @category models
 * @since 0.1.0
 */
export type StoreRelation = typeof StoreRelation.Type

/**
 * What a store is: where it is, its versions, what it takes on disk, and what its user may do.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoreDescription = Schema.Struct({
  identity: StoreIdentity,
  /** What OpenTelemetry calls the database, such as `postgresql`; `_OTHER` for a store that does not say. */
  system: Schema.String,
  /** The version of the server, such as `18.4`. */
  serverVersion: Schema.OptionFromNullOr(Schema.String),
  /** The version of the schema `eventfold`; none on a store without it. */
  schemaVersion: Schema.OptionFromNullOr(Schema.Int),
  /** Whether it is a standby, which takes no writes. */
  isStandby: Schema.Boolean,
  /** The role by which this program uses the store. */
  user: Schema.OptionFromNullOr(Schema.String),
  /** What the whole database takes on disk, other schemas included. */
  bytes: Schema.OptionFromNullOr(Schema.Int),
  /** By schema and name. */
  relations: Schema.Array(StoreRelation),
  /** What the role may do with the table of messages, and with the schemas. */
  privileges: Schema.Array(Schema.Struct({
    /** Such as `message_store.messages`. */
    on: Schema.String,
    /** Such as `SELECT` or `USAGE`. */
    privilege: Schema.String,
    isGranted: Schema.Boolean
  }))
})

/**
 * What a store is.
 *
 * @category models
 * @since 0.1.0
 */
export type StoreDescription = typeof StoreDescription.Type
