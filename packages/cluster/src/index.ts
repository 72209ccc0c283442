/**
 * Many machines: consumers, read models and commands, placed by Effect's cluster.
 *
 * @since 0.1.0
 */
export * as Cluster from "./Cluster.ts"
