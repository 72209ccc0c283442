import type { PGlite } from "@electric-sql/pglite"
import { Duplex } from "node:stream"

/** Codes that stand in the place of the protocol version in the first message of a connection. */
const cancelRequest = 80877102
const terminate = "X".charCodeAt(0)

const firstMessageCode = (chunk: Buffer): number => chunk.length >= 8 ? chunk.readInt32BE(4) : 0

/**
 * Connections to PGlite as streams of PostgreSQL's protocol, one after another. PGlite is a single session, so a new
 * connection first clears what the one before it left: an open transaction, prepared statements, settings. A connection
 * that has been followed by another is dead.
 */
export const makeWire = (db: PGlite): () => Duplex => {
  let current: Duplex | undefined

  const takeOver = async (duplex: Duplex): Promise<void> => {
    const follows = current !== undefined
    current = duplex
    if (!follows) return
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
        // PGlite runs a statement without a pause, so there is never one to cancel.
        if (firstMessageCode(chunk) === cancelRequest) return void duplex.destroy()
        opened = true
        await takeOver(duplex)
      }
      // The end of a connection must not be the end of the session.
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
