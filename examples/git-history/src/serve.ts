/**
 * Starts the server. Node keeps what it has compiled, so that the next start takes a second less.
 */
import { enableCompileCache } from "node:module"

enableCompileCache()
await import("./HistoryServer.ts")
