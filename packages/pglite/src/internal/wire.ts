import type { PGlite } from "@electric-sql/pglite"
import { Duplex } from "node:stream"

/** Stands in place of the protocol version in the first message of a connection. */
const cancelRequest = 80877102
/** The type of the last message of a connection. */
const terminate = "X".charCodeAt(0)

const firstMessageCode = (chunk: Buffer): number => chunk.length >= 8 ? chunk.readInt32BE(4) : 0

/**
 * Makes connections to PGlite, as streams of PostgreSQL's protocol, one after another.
 *
 * PGlite is a single session. So a new connection first clears what the one before it has left: an open transaction,
 * prepared statements, settings. A connection is dead as soon as another one follows it.
 */
export const makeWire = (db: PGlite): () => Duplex => {
  let current: Duplex | undefined

  const takeOver = async (duplex: Duplex): Promise<void> => {
    const isFirst = current === undefined
    current = duplex
    if (isFirst) return
    await db.exec("ROLLBACK")
    await db.exec("DISCARD ALL")
  }

  const forward = async (duplex: Duplex, chunk: Buffer): Promise<void> => {
    const reply = await db.execProtocolRaw(new Uint8Array(chunk))
    if (reply.length > 0 && !duplex.destroyed) duplex.push(Buffer.from(reply))
  }

  const connect = (): Duplex => {
    let opened = false

    const receive = async (duplex: Duplex, chunk: Buffer): Promise<void> => {
      if (!opened) {
        // PGlite runs each statement to its end, so no statement can be cancelled.
        if (firstMessageCode(chunk) === cancelRequest) return void duplex.destroy()
        opened = true
        await takeOver(duplex)
      }
      // The end of a connection must not end the session.
      if (duplex === current && chunk[0] !== terminate) await forward(duplex, chunk)
    }

    return new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        receive(this, chunk).then(() => done(), done)
      },
      final(done) {
        this.push(null)
        done()
      }
    })
  }

  return connect
}
