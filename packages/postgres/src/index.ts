/** @since 0.1.0 */
export * as Postgres from "./Postgres.ts"

/** @since 0.1.0 */
export * as SqlReadModel from "./SqlReadModel.ts"
