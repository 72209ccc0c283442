/**
 * The client of an embedded store. This module is loaded when a command works on one.
 */
import * as Pglite from "@eventfold/pglite/Pglite"
import { setFlagsFromString } from "node:v8"

// PGlite is WebAssembly. The optimizing compiler would save little time here and take some hundred megabytes.
for (const flag of ["--liftoff-only", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag)

/** The only session of the folder. */
export const client = (dataDir: string) => Pglite.layerClient({ dataDir })
