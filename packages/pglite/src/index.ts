/**
 * The message store on PGlite: PostgreSQL inside the process.
 *
 * @since 0.1.0
 */
export * as Pglite from "./Pglite.ts"
