/**
 * The message store on PostgreSQL, 15 or later.
 *
 * @since 0.1.0
 */
export * as Postgres from "./Postgres.ts"

/**
 * Read models with tables in PostgreSQL.
 *
 * @since 0.1.0
 */
export * as SqlReadModel from "./SqlReadModel.ts"
