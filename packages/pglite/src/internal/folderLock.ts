import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DatabaseSync } from "node:sqlite"

/**
 * Holds a lock on a file until the scope ends, or fails with `onHeld` at once when another process (or this one) holds
 * it. It is the operating system's own lock, which Node offers through SQLite only: it ends with the process however
 * that ends, so there is no stale lock after a SIGKILL and no process id to be mistaken for another's.
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
          // No journal, which would be a second file.
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
