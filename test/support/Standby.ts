/**
 * A second server that takes over from a first one.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { connect, type Socket } from "node:net"
import * as Database from "./Database.ts"
import type { PostgresServer, PostgresServerError } from "./PostgresServer.ts"
import { listen } from "./Proxy.ts"

export interface Standby extends PostgresServer {
  /** The URL of the same database, and of the same user, on the standby. */
  readonly urlOf: (url: string) => string
  /** Makes it a primary, and waits until it takes writes. */
  readonly promote: Effect.Effect<void, SqlError>
}

/**
 * Starts a standby with all that a server has now. It answers reads and refuses writes until it is promoted. The server sends
 * it nothing, so what is written after this is lost when the standby takes over.
 */
export const of = (server: PostgresServer): Effect.Effect<Standby, PostgresServerError, Scope.Scope> =>
  Effect.map(server.startReplica, standby)

/** Starts a standby to which the server streams what is written. */
export const streaming = (server: PostgresServer): Effect.Effect<Standby, PostgresServerError, Scope.Scope> =>
  Effect.map(server.startStreamingReplica, standby)

const standby = (replica: PostgresServer): Standby => ({
  ...replica,
  urlOf: (url) => {
    const own = new URL(url)
    own.host = new URL(replica.url).host
    return own.href
  },
  promote: Effect.scoped(
    Effect.flatMap(Database.session(replica.url), (sql) => sql`SELECT pg_promote()`)
  )
})

/** A host that leads to a server, as a name in the DNS or a proxy does. */
export interface Route {
  /** The URL of the database through the route. */
  readonly url: string
  /** Leads new connections to the server of a URL. Those that are open stay where they are. */
  readonly lead: (url: string) => Effect.Effect<void>
  /** The same, and cuts those that are open: as a virtual IP that moves. */
  readonly switchTo: (url: string) => Effect.Effect<void>
}

/** Leads to the server of a URL at first. The end of the scope closes all connections. */
export const route = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Route, never, Scope.Scope> {
  let target = new URL(url)
  const sockets = new Set<Socket>()
  const accept = (client: Socket): void => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    client.setNoDelay(true)
    client.pipe(server)
    server.pipe(client)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
  }
  const own = new URL(url)
  own.host = `127.0.0.1:${yield* listen(accept, sockets)}`
  const lead: Route["lead"] = (to) =>
    Effect.sync(() => {
      target = new URL(to)
    })
  return {
    url: own.href,
    lead,
    switchTo: (to) => Effect.andThen(lead(to), Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  }
})
