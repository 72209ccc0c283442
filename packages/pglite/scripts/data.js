/**
 * Puts the data folder with which a new PGlite begins into this package. `pnpm install` and `pnpm pack` run it.
 *
 * The package that has the folder wants exactly one PGlite, and each release of it comes long after that PGlite's. As a
 * dependency it has npm install a second PGlite, and pnpm warn. A later PGlite of the same major version of PostgreSQL reads the folder.
 */
import { copyFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const from = new URL("./", import.meta.resolve("@electric-sql/pglite-prepopulatedfs"))
const to = new URL("../data/", import.meta.url)

await copyFile(fileURLToPath(new URL("prepopulatedfs.tgz", from)), fileURLToPath(new URL("pgdata.tgz", to)))
