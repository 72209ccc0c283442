import { readFile } from "node:fs/promises"

/**
 * The data folder that a new PGlite begins with, because making one takes seconds and much memory. It is found by the name of this
 * package, as a program that was bundled into one file finds it, too.
 */
export const initialData = async (): Promise<Blob> =>
  new Blob([await readFile(new URL(import.meta.resolve("@eventfold/pglite/data/pgdata.tgz")))])
