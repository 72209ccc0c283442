/** @since 0.1.0 */
export * as Pglite from "./Pglite.ts"
