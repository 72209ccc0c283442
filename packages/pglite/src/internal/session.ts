import type { PGlite } from "@electric-sql/pglite"
import { Ended, endedBy, kill } from "./engine.ts"
import { endOf } from "./replies.ts"

/** The session of a PGlite, which begins again on the same data when it has ended. */
export interface Session {
  /** Gives what PostgreSQL replies. Rejects with an {@link Ended} when the session ends with it, or has ended. */
  readonly exchange: (request: Uint8Array) => Promise<Buffer>
  /** Clears what a connection has left, or begins again after the session has ended. */
  readonly reset: () => Promise<void>
  readonly close: () => Promise<void>
}

const query = (text: string): Uint8Array => {
  const body = Buffer.from(`${text}\0`)
  const head = Buffer.from([..."Q\0\0\0\0"].map((char) => char.charCodeAt(0)))
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** An open transaction, prepared statements, settings. */
const clear = [query("ROLLBACK"), query("DISCARD ALL")]

/** The data has been in the memory of the PGlite that has ended. */
const lost = (ended: Ended): Ended =>
  new Ended({
    // An internal error: to wait would not help.
    code: "XX000",
    message: `the PGlite in memory has ended, and its data with it: ${ended.message}`,
    cause: ended
  })

/** `reopen` starts another PGlite on the data of one that has ended, if the data is not lost with it. */
export const make = (first: PGlite, reopen: (() => Promise<PGlite>) | undefined): Session => {
  let state: { readonly db: PGlite } | { readonly ended: Ended } = { db: first }
  let opening: Promise<void> | undefined
  let isClosed = false

  const end = async (db: PGlite, ended: Ended): Promise<Ended> => {
    if ("db" in state && state.db === db) {
      state = { ended: reopen === undefined ? lost(ended) : ended }
      await kill(db)
    }
    return ended
  }

  const exchange = async (request: Uint8Array): Promise<Buffer> => {
    if ("ended" in state) throw state.ended
    const { db } = state
    const reply = await db.execProtocolRaw(request).then(
      ({ buffer, byteLength, byteOffset }) => Buffer.from(buffer, byteOffset, byteLength),
      async (cause: unknown) => {
        throw await end(db, endedBy(cause))
      }
    )
    const ended = endOf(request, reply)
    if (ended !== undefined) throw await end(db, ended)
    return reply
  }

  const begin = async (reopen: () => Promise<PGlite>): Promise<void> => {
    try {
      const db = await reopen()
      if (isClosed) return await db.close()
      state = { db }
    } catch (cause) {
      state = { ended: endedBy(cause) }
      throw state.ended
    } finally {
      opening = undefined
    }
  }

  return {
    exchange,
    reset: async () => {
      if ("ended" in state) {
        if (reopen === undefined) throw state.ended
        return opening ??= begin(reopen)
      }
      for (const request of clear) await exchange(request)
    },
    close: async () => {
      isClosed = true
      await opening?.catch(() => {})
      if ("db" in state) await state.db.close()
    }
  }
}
