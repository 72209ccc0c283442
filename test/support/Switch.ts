/**
 * An address that leads to one server, and then to another: as a virtual IP or a DNS name does in a failover.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Socket } from "node:net"

export interface Switch {
  /** The URL, which stays the same. */
  readonly url: string
  /** Leads new connections to the server of another URL, and cuts the open ones. */
  readonly to: (url: string) => Effect.Effect<void>
}

/** Leads to the server of a URL at first. The end of the scope closes it. */
export const make = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Switch, never, Scope.Scope> {
  let target = new URL(url)
  const sockets = new Set<Socket>()
  const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  const server = createServer((client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    client.setNoDelay(true)
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(socket)
      // A connection that breaks is what it is for.
      socket.on("error", () => other.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  yield* Effect.addFinalizer(() => Effect.andThen(cut, Effect.sync(() => server.close())))
  const address = server.address()
  const own = new URL(url)
  own.hostname = "127.0.0.1"
  own.port = typeof address === "object" && address !== null ? String(address.port) : ""
  return {
    url: own.href,
    to: (url) => Effect.andThen(Effect.sync(() => target = new URL(url)), cut)
  }
})
