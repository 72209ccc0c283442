import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DatabaseSync } from "node:sqlite"

/**
 * Holds a lock on a file until the scope ends, or fails with `onHeld` at once when another process (or this one) holds
 * it.
 *
 * It is a lock of the operating system, which Node offers only through SQLite. The lock ends with the process, however the
 * process ends: a SIGKILL leaves no stale lock, and no process id can be mistaken for another's.
 */
export const hold = <E1, E2>(path: string, errors: {
  readonly onHeld: () => E1
  readonly onFailure: (cause: unknown) => E2
}): Effect.Effect<void, E1 | E2, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const file = new DatabaseSync(path, { timeout: 0 })
        try {
          // Without a journal, which would be a second file.
          file.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
        } catch (cause) {
          file.close()
          throw cause
        }
        return file
      },
      catch: (cause) => isBusy(cause) ? errors.onHeld() : errors.onFailure(cause)
    }),
    (file) => Effect.sync(() => file.close())
  )

const sqliteBusy = 5

const isBusy = (cause: unknown): boolean => cause instanceof Error && "errcode" in cause && cause.errcode === sqliteBusy
