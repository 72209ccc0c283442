/**
 * What is right and what is wrong with a database, as a store needs it: each check says what to do.
 *
 * @since 0.1.0
 */
export * as Diagnosis from "./Diagnosis.ts"

/**
 * What a database says about its store: versions, and Message DB's summaries.
 *
 * @since 0.1.0
 */
export * as Inspection from "./Inspection.ts"

/**
 * Many logs: one for each tenant of an application, or one store whose categories are in several of them.
 *
 * @since 0.1.0
 */
export * as Logs from "./Logs.ts"

/**
 * The message store on PostgreSQL, 15 or later.
 *
 * @since 0.1.0
 */
export * as Postgres from "./Postgres.ts"

/**
 * Reads on a streaming replica that see what this process has written: `Postgres.layerReplica` gives this service beside the store.
 *
 * @since 0.1.0
 */
export * as Replica from "./Replica.ts"

/**
 * Read models with tables in PostgreSQL.
 *
 * @since 0.1.0
 */
export * as SqlReadModel from "./SqlReadModel.ts"
