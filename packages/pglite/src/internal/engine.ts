import { PGlite, type PGliteOptions } from "@electric-sql/pglite"
import * as Data from "effect/Data"

/** Why a PGlite has ended, or could not start: as PostgreSQL says it, where it says anything. */
export class Ended extends Data.TaggedError("Ended")<{
  readonly message: string
  /** The SQLSTATE, by which the store knows what passes. */
  readonly code?: string
  readonly cause?: unknown
}> {}

const causeText = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

/** The `errno` of a file error inside of PGlite, which is no `Error`, and whose numbers are those of WASI. */
const wasiErrors: ReadonlyMap<unknown, { readonly code: string; readonly message: string }> = new Map([
  [2, { code: "42501", message: "Permission denied" }],
  [19, { code: "53100", message: "Disk quota exceeded" }],
  [29, { code: "58030", message: "Input/output error" }],
  [33, { code: "53000", message: "Too many open files" }],
  [41, { code: "53000", message: "Too many open files in the system" }],
  [51, { code: "53100", message: "No space left on device" }],
  [63, { code: "42501", message: "Operation not permitted" }],
  [69, { code: "25006", message: "Read-only file system" }]
])

/** What a rejection of PGlite says by itself. */
export const endedBy = (cause: unknown): Ended => {
  if (cause instanceof Ended) return cause
  if (cause instanceof Error || typeof cause !== "object" || cause === null) {
    return new Ended({ message: causeText(cause), cause })
  }
  const errno = "errno" in cause ? cause.errno : undefined
  return new Ended({ message: `file error ${String(errno)}`, ...wasiErrors.get(errno), cause })
}

/** A line of PostgreSQL's log with `log_line_prefix = '%e '`. */
const logLine = /^([0-9A-Z]{5}) (FATAL|PANIC|DETAIL): +(.*)$/

/** Reads from the log why a start has failed, which PGlite itself does not tell. */
const readLog = () => {
  let found: { readonly code: string; readonly message: string } | undefined
  return {
    /** Answers that the line need not be printed. */
    read: (line: string): boolean => {
      const [, code, severity, text] = logLine.exec(line) ?? []
      if (code === undefined || text === undefined) return false
      if (severity !== "DETAIL") found = { code, message: text }
      else if (found?.code === code) found = { code, message: `${found.message} (${text})` }
      return false
    },
    found: () => found
  }
}

/** An eighth of PGlite's own buffers, as much as a store on one connection uses. */
const startParams = [
  ...PGlite.defaultStartParams,
  ...["shared_buffers=16MB", "max_connections=5", "log_line_prefix=%e "].flatMap((setting) => ["-c", setting])
]

/** Starts a PGlite. Rejects with an {@link Ended}. */
export const start = async (options: Pick<PGliteOptions, "dataDir" | "loadDataDir">): Promise<PGlite> => {
  const log = readLog()
  const db = new PGlite({ ...options, startParams, onStderr: log.read })
  try {
    await db.waitReady
    return db
  } catch (cause) {
    await kill(db)
    const found = log.found()
    throw found === undefined ? endedBy(cause) : new Ended({ ...found, cause })
  }
}

/**
 * Ends a PGlite as SIGKILL ends a server: its files are closed and its memory is free, and nothing more is written. What is in the
 * memory of one that has failed is not to be trusted, so it can't be closed as a healthy one is. A call could block the process.
 */
export const kill = async (db: PGlite): Promise<void> => {
  try {
    await db.fs?.closeFs()
    db.Module._emscripten_force_exit(1)
  } catch {
    // It ends by an exception. One that has not come as far as to have files has nothing to close.
  }
}
