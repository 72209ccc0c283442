/** @since 0.1.0 */
export * as MessageStoreSuite from "./MessageStoreSuite.ts"
