/**
 * A TCP proxy in front of a PostgreSQL server: it counts round trips, and cuts or silences connections at the worst moments.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Server, type Socket } from "node:net"

export interface Proxy {
  /** The server's URL through the proxy. */
  readonly url: string
  /** The round trips so far, without logins, announcements, tellings, leases, and the listener's signs of life. */
  readonly roundTrips: Effect.Effect<number>
  /** The round trips that have told of runners. */
  readonly tellings: Effect.Effect<number>
  /** The round trips on the connections of leases. */
  readonly leases: Effect.Effect<number>
  /** The announcements between stores that the server has answered. */
  readonly announcements: Effect.Effect<number>
  /** The connections cut so far. */
  readonly cuts: Effect.Effect<number>
  /**
   * Cuts the connection of the next requests that contain the text, `times` times (once): before the server sees the
   * request, or after it has done all of it and before any of its reply passes.
   */
  readonly cut: (
    when: "before the request" | "before the reply",
    containing: string,
    times?: number
  ) => Effect.Effect<void>
  /**
   * As {@link Proxy.cut}, but the connections fall silent: they stay open, and nothing passes on them any more. New ones are
   * served.
   */
  readonly silence: Proxy["cut"]
  /** Silences the connections that are open now. New ones are served. */
  readonly silenceOpen: Effect.Effect<void>
  /** Cuts the connections that have fallen silent. */
  readonly cutSilent: Effect.Effect<void>
  /** The connections that have fallen silent and are still open. */
  readonly silent: Effect.Effect<number>
  /** Passes nothing any more from the next request on that contains the text. Connections stay open. */
  readonly silenceFrom: (containing: string) => Effect.Effect<void>
}

interface Trap {
  readonly what: "cut" | "silence"
  readonly when: "before the request" | "before the reply"
  readonly text: Buffer
  times: number
}

/** The beginning of the payload of every announcement. */
const announcement = Buffer.from("{\"from\":\"")

/** What is in every statement that tells of runners, as these are not prepared. */
const telling = Buffer.from("eventfold.runners")

/** The first statement on a connection of leases. */
const leaseChannel = Buffer.from("eventfold_lease")

/** The first statement on the connection of the listener, which asks for a sign of life later. */
const listenerChannel = Buffer.from("LISTEN \"eventfold\"")

/** What a connection that lasts asks first: whether its session is its own. It is counted as a part of the login. */
const sessionLook = Buffer.from("SELECT pg_backend_pid()")

/** Starts a proxy for the server of a URL. The end of the scope stops it. */
export const start = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Proxy, never, Scope.Scope> {
  const target = new URL(url)
  const counts = { roundTrips: 0, announcements: 0, tellings: 0, leases: 0, cuts: 0 }
  const traps: Array<Trap> = []
  let silence: "never" | Buffer | "now" = "never"
  const sockets = new Set<Socket>()
  const open = new Set<{ isSilent: boolean; readonly cut: () => void }>()

  const set = (what: Trap["what"]): Proxy["cut"] => (when, containing, times = 1) =>
    Effect.sync(() => {
      traps.push({ what, when, text: Buffer.from(containing), times })
    })

  const trapFor = (chunk: Buffer): Trap | undefined => {
    const trap = traps.find(({ text, times }) => times > 0 && chunk.includes(text))
    if (trap !== undefined) trap.times--
    return trap
  }

  const accept = (client: Socket): void => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    client.setNoDelay(true)
    const counter = readyCounter()
    let onReply: Trap | undefined
    let isAnnouncement = false
    let isTelling = false
    let isLease = false
    let listens: "no" | "soon" | "yes" = "no"
    let isLogin = true
    const cut = () => {
      client.destroy()
      server.destroy()
    }
    const connection = { isSilent: false, cut }
    open.add(connection)
    const trip = ({ what }: Trap) => {
      if (what === "silence") {
        connection.isSilent = true
      } else {
        counts.cuts++
        cut()
      }
    }

    client.on("data", (chunk: Buffer) => {
      if (typeof silence === "object" && chunk.includes(silence)) silence = "now"
      if (silence === "now" || connection.isSilent) return
      const trap = trapFor(chunk)
      if (trap?.when === "before the request") return trip(trap)
      if (trap !== undefined) onReply = trap
      if (chunk.includes(sessionLook)) isLogin = true
      if (chunk.includes(announcement)) isAnnouncement = true
      if (chunk.includes(telling)) isTelling = true
      if (chunk.includes(leaseChannel)) isLease = true
      if (chunk.includes(listenerChannel)) listens = "soon"
      server.write(chunk)
    })
    server.on("data", (chunk: Buffer) => {
      if (silence === "now" || connection.isSilent) return
      const more = counter(chunk)
      // A connection has one request at a time.
      const answers = isLogin ? Math.max(0, more - 1) : more
      if (more > 0) isLogin = false
      if (isAnnouncement && answers > 0) {
        counts.announcements += answers
        isAnnouncement = false
      } else if (isTelling && answers > 0) {
        counts.tellings += answers
        isTelling = false
      } else if (isLease) {
        counts.leases += answers
      } else if (listens !== "yes") {
        counts.roundTrips += answers
        if (listens === "soon" && answers > 0) listens = "yes"
      }
      if (onReply === undefined) client.write(chunk)
      else if (more > 0) trip(onReply)
    })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on("error", cut)
      socket.on("end", () => (socket === client ? server : client).end())
      socket.on("close", () => {
        sockets.delete(socket)
        open.delete(connection)
        cut()
      })
    }
  }

  const port = yield* listen(accept, sockets)
  const own = new URL(url)
  own.host = `127.0.0.1:${port}`
  return {
    url: own.href,
    roundTrips: Effect.sync(() => counts.roundTrips),
    announcements: Effect.sync(() => counts.announcements),
    tellings: Effect.sync(() => counts.tellings),
    leases: Effect.sync(() => counts.leases),
    cuts: Effect.sync(() => counts.cuts),
    cut: set("cut"),
    silence: set("silence"),
    silenceOpen: Effect.sync(() => {
      for (const connection of open) connection.isSilent = true
    }),
    cutSilent: Effect.sync(() => {
      for (const { cut, isSilent } of open) if (isSilent) cut()
    }),
    silent: Effect.sync(() => [...open].filter(({ isSilent }) => isSilent).length),
    silenceFrom: (containing) =>
      Effect.sync(() => {
        silence = Buffer.from(containing)
      })
  }
})

/** Listens on a free port until the scope ends, which also closes the given sockets. */
export const listen = (
  accept: (socket: Socket) => void,
  sockets: Set<Socket>
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer(accept)
        server.once("error", (error) => resume(Effect.die(error)))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    ),
    (server) => {
      const address = server.address()
      return address === null || typeof address === "string" ? 0 : address.port
    }
  )

const readyForQuery = "Z".charCodeAt(0)

/** Counts the server's ReadyForQuery messages in the chunks of a connection, which may end anywhere. */
const readyCounter = (): (chunk: Buffer) => number => {
  let header = Buffer.alloc(0)
  let body = 0
  return (chunk) => {
    let count = 0
    let at = 0
    while (at < chunk.length) {
      if (body > 0) {
        const skipped = Math.min(body, chunk.length - at)
        body -= skipped
        at += skipped
        continue
      }
      const part = chunk.subarray(at, at + 5 - header.length)
      header = Buffer.concat([header, part])
      at += part.length
      if (header.length < 5) continue
      if (header[0] === readyForQuery) count++
      body = header.readInt32BE(1) - 4
      header = Buffer.alloc(0)
    }
    return count
  }
}
