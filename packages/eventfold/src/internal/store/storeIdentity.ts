import * as Schema from "effect/Schema"

/**
 * Identifies a store, so that a reader does not use positions of one store with another. What the store does not know is
 * `undefined`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StoreIdentity = Schema.Struct({
  /** Differs between any two installations; a physical copy has the same one. PostgreSQL's system identifier. */
  system: Schema.UndefinedOr(Schema.String),
  /** Which database of the system. PostgreSQL's OID of it, which stays the same when the database is renamed. */
  database: Schema.UndefinedOr(Schema.String),
  /** The database's name, for people. */
  databaseName: Schema.UndefinedOr(Schema.String),
  /** Increases when a copy of the system takes over, or is restored to a point in time: the end of its log may differ. */
  timeline: Schema.UndefinedOr(Schema.Int)
})

/**
 * Identifies a store, so that a reader does not use positions of one store with another.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreIdentity extends Schema.Schema.Type<typeof StoreIdentity> {}
