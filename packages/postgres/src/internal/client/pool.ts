import type { PgClient, PgClientConfig, PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type { Duplex } from "node:stream"
import * as Hosts from "./hosts.ts"
import type { PoolSettings } from "./poolSettings.ts"
import type { Sharing } from "./sessions.ts"
import * as Sockets from "./sockets.ts"

/** What a pool keeps in its configuration, and in all copies of it. */
interface Pool {
  connectionsBegun: number
  /** How the connections keep their sessions, once that is known. */
  sharing?: Sharing
  readonly settings: PoolSettings
  /** The configuration with changes, for connections beside the pool. */
  readonly copy: (changes: PgPoolConfig) => PgPoolConfig
}

const poolKey: unique symbol = Symbol("@eventfold/postgres/pool")

interface WithPool {
  readonly [poolKey]?: Pool
}

const poolOf = (config: PgClientConfig & WithPool): Pool | undefined => config[poolKey]

/**
 * How many connections have begun to open: those of the pool, those beside it, and the dedicated ones. Undefined for a client
 * that the application has made without `layerPool`, or on a stream of its own.
 */
export const connectionsBegun = (sql: PgClient): number | undefined => poolOf(sql.config)?.connectionsBegun

/** How the connections of a pool of `layerPool` keep their sessions, once that is known. */
export const sharingOf = (config: PgClientConfig): Sharing | undefined => poolOf(config)?.sharing

export const setSharing = (config: PgClientConfig, sharing: Sharing): void => {
  const pool = poolOf(config)
  if (pool !== undefined) pool.sharing = sharing
}

/** The settings of a pool of `layerPool`. */
export const settingsOf = (config: PgClientConfig): PoolSettings | undefined => poolOf(config)?.settings

/** The configuration of a client with changes, for connections beside its pool. */
export const copyConfig = (config: PgClientConfig, changes: PgPoolConfig): PgPoolConfig =>
  poolOf(config)?.copy(changes) ?? { ...config, ...changes }

/** The password could not be had. */
export class NoPassword extends Data.TaggedError("NoPassword")<{ readonly message: string; readonly cause: unknown }> {}

/** The configuration of a pool. */
export const configure = (settings: PoolSettings): PgPoolConfig => {
  const { client, hosts, isPlain } = settings
  const [{ name: host, to }] = hosts.list
  const base: PgPoolConfig = { ssl: false, ...client, host, ..."port" in to && { port: to.port } }
  const configured = isPlain ? plain : connecting
  const pool: Pool = {
    connectionsBegun: 0,
    settings,
    copy: (changes) => configured(pool, { ...base, ...changes })
  }
  return configured(pool, base)
}

/** Runs before each connection. A server that wants no password gets none. */
const begin = (pool: Pool): Effect.Effect<Redacted.Redacted, NoPassword> =>
  Effect.suspend(() => {
    pool.connectionsBegun++
    const { password } = pool.settings
    return password === undefined ? Effect.succeed(Redacted.make("")) : Effect.mapError(
      password,
      (cause) =>
        new NoPassword({
          message: `the password could not be had: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause
        })
    )
  })

/** A client that connects by itself. */
const plain = (pool: Pool, base: PgPoolConfig): PgPoolConfig & WithPool => ({
  ...base,
  connectTimeout: pool.settings.hosts.timeout,
  // Only an Effect of the application fails, and with one the client does not connect by itself.
  password: Effect.orDie(begin(pool)),
  [poolKey]: pool
})

/**
 * A client that gets its connections from here, ready for the login. It asks for a password and then for a stream, in the fiber
 * that opens the connection. So the password's Effect connects, and keeps the stream for its fiber.
 */
const connecting = (pool: Pool, base: PgPoolConfig): PgPoolConfig & WithPool => {
  const { client, hosts } = pool.settings
  const waiting = new WeakMap<Fiber.Fiber<unknown, unknown>, Hosts.Opened | Error>()

  const open = (fiber: Fiber.Fiber<unknown, unknown>) =>
    Effect.flatMap(begin(pool), (password) => {
      if (client.stream !== undefined) return Effect.succeed(password)
      return Effect.map(Hosts.open(hosts, { ...base, password }), (opened) => {
        waiting.set(fiber, opened)
        // It is not used when the fiber is interrupted first.
        fiber.addObserver(() => void (waiting.get(fiber) === opened && opened.socket.destroy()))
        return password
      })
    })

  return {
    ...base,
    connectTimeout: Hosts.totalTimeout(hosts),
    password: Effect.withFiber((fiber) =>
      Effect.catch(open(fiber), (error) => {
        waiting.set(fiber, error)
        return Effect.succeed(Redacted.make(""))
      })
    ),
    // The client reads it once for each connection, and calls it again to cancel a statement of that connection.
    get stream() {
      let transport: Sockets.Transport | undefined
      return (): Duplex => {
        const fiber = Fiber.getCurrent()
        const opened = fiber === undefined ? undefined : waiting.get(fiber)
        if (fiber !== undefined) waiting.delete(fiber)
        if (opened instanceof Error) return Sockets.failed(opened)
        if (client.stream !== undefined) return client.stream()
        if (opened === undefined) {
          return transport === undefined ? Sockets.failed(new Error("not connected")) : new Sockets.Late(transport)
        }
        transport = opened.transport
        return opened.socket.destroyed ? Sockets.failed(new Error("the server closed the connection")) : opened.socket
      }
    },
    [poolKey]: pool
  }
}
