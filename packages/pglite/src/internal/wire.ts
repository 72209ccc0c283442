import { Duplex } from "node:stream"
import type { Session } from "./session.ts"

/** Stands in place of the protocol version in the first message of a connection. */
const cancelRequest = 80877102
/** The type of the last message of a connection. */
const terminate = "X".charCodeAt(0)

const firstMessageCode = (chunk: Buffer): number => chunk.length >= 8 ? chunk.readInt32BE(4) : 0

/**
 * Makes connections to PGlite, as streams of PostgreSQL's protocol, one after another.
 *
 * PGlite is a single session. So a new connection first clears what the one before it has left. A connection is dead as soon as
 * another one follows it, and when the session ends; then the next one begins it again.
 */
export const makeWire = (session: Session): () => Duplex => {
  let current: Duplex | undefined

  const takeOver = async (duplex: Duplex): Promise<void> => {
    const isFirst = current === undefined
    current = duplex
    if (!isFirst) await session.reset()
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
      if (chunk[0] === terminate) return
      if (duplex !== current) throw new Error("another connection to the PGlite has followed this one")
      const reply = await session.exchange(chunk)
      if (reply.length > 0 && !duplex.destroyed) duplex.push(reply)
    }

    return new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        // An error destroys the stream, and is what the client gives as the cause.
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
