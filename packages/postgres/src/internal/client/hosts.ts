import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { SqlError } from "effect/sql/SqlError"
import type { Socket } from "node:net"
import * as Sockets from "./sockets.ts"
import { errorCode, errorText } from "./sqlError.ts"
import * as Tls from "./tls.ts"

/**
 * Which servers will do, as libpq's `target_session_attrs` says it: any; those whose sessions can write, or can't; a primary; a
 * standby; or a standby if there is one, and else any.
 *
 * @since 0.1.0
 * @category options
 */
export type TargetSessionAttrs = "any" | "read-write" | "read-only" | "primary" | "standby" | "prefer-standby"

/** The servers to choose from, and how. */
export interface Hosts {
  readonly list: Arr.NonEmptyReadonlyArray<Sockets.Host>
  readonly target: TargetSessionAttrs
  readonly isRandom: boolean
  readonly tls: Tls.Tls | undefined
  readonly keepAlive: number | undefined
  /** How long to wait for each. */
  readonly timeout: Duration.Duration
}

/** How long all of opening may take: each server in its turn, once more if none was preferred, and the login. */
export const totalTimeout = ({ list, target, timeout }: Hosts): Duration.Duration => {
  const isSearched = list.length > 1 || target !== "any"
  return isSearched ? Duration.times(timeout, (target === "prefer-standby" ? 2 : 1) * list.length + 1) : timeout
}

/** None of the servers will do: says of each why. */
export class NoHost extends Data.TaggedError("NoHost")<{ readonly message: string }> {}

/** A server does not answer, or is not what is asked for. */
class Unusable extends Data.TaggedError("Unusable")<{ readonly message: string }> {}

/** A connection on which the startup message can be sent, and where it leads. */
export interface Opened {
  readonly socket: Socket
  readonly transport: Sockets.Transport
}

/** Opens a connection to the first server that will do. */
export const open = (hosts: Hosts, login: PgClientConfig): Effect.Effect<Opened, Error> =>
  Effect.flatMap(
    hosts.tls === undefined ? Effect.succeed({}) : Tls.read(hosts.tls),
    (options) => {
      const transportTo = (host: Sockets.Host): Sockets.Transport => ({
        host,
        tls: hosts.tls,
        options,
        keepAlive: hosts.keepAlive
      })
      return hosts.list.length === 1 && hosts.target === "any"
        ? openOne(transportTo(hosts.list[0]))
        : search(hosts, login, transportTo)
    }
  )

const openOne = (transport: Sockets.Transport): Effect.Effect<Opened, Error> =>
  Effect.map(Sockets.open(transport), (socket) => ({ socket, transport }))

const within = ({ timeout }: Hosts) => <A>(opening: Effect.Effect<A, Error>): Effect.Effect<A, Error> =>
  Effect.timeoutOrElse(opening, {
    duration: timeout,
    orElse: () => Effect.fail(new Unusable({ message: `no answer within ${Duration.format(timeout)}` }))
  })

/** Tries the servers one after another, as libpq does: a login that is refused ends the search. */
const search = Effect.fnUntraced(function*(
  hosts: Hosts,
  login: PgClientConfig,
  transportTo: (host: Sockets.Host) => Sockets.Transport
): Effect.fn.Return<Opened, Error> {
  const failures: Array<string> = []
  const others: Array<Sockets.Transport> = []
  for (const host of hosts.isRandom ? yield* Random.shuffle(hosts.list) : hosts.list) {
    const transport = transportTo(host)
    const opened = yield* probe(login, transport).pipe(
      Effect.flatMap((state) => {
        const misfit = state === "refuses" ? undefined : whyUnfit(hosts.target, state)
        if (misfit === undefined) return openOne(transport)
        if (hosts.target === "prefer-standby") others.push(transport)
        return Effect.fail(new Unusable({ message: misfit }))
      }),
      within(hosts),
      Effect.catch((error) => Effect.sync(() => void failures.push(`${host.label}: ${error.message}`)))
    )
    if (opened !== undefined) return opened
  }
  for (const transport of others) {
    const opened = yield* Effect.option(within(hosts)(openOne(transport)))
    if (opened._tag === "Some") return opened.value
  }
  const wish = hosts.target === "any"
    ? "no host can be used"
    : `no host is fit for target_session_attrs=${hosts.target}`
  return yield* new NoHost({ message: `${wish}: ${failures.join("; ")}` })
})

/** What a server says of itself. */
interface State {
  readonly isStandby: boolean
  readonly isReadOnly: boolean
}

const whyUnfit = (target: TargetSessionAttrs, { isReadOnly, isStandby }: State): string | undefined => {
  switch (target) {
    case "any":
      return undefined
    case "primary":
      return isStandby ? "it is a standby" : undefined
    case "standby":
    case "prefer-standby":
      return isStandby ? undefined : "it is no standby"
    case "read-write":
      return isStandby ? "it is a standby" : isReadOnly ? "its sessions are read-only" : undefined
    case "read-only":
      return isReadOnly ? undefined : "its sessions can write"
  }
}

/** Logs in, and asks what the server is. */
const probe = (login: PgClientConfig, transport: Sockets.Transport) =>
  Effect.flatMap(openOne(transport), ({ socket }) => {
    const question = PgConnection.make({ ...login, stream: () => socket }).pipe(
      Effect.flatMap((connection) =>
        connection.queryValues("SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'")
      ),
      Effect.scoped,
      Effect.map(([row]): State | "refuses" => ({ isStandby: row?.[0] === true, isReadOnly: row?.[1] === true })),
      Effect.catch((error) =>
        isPassedOver(error)
          ? Effect.fail(new Unusable({ message: errorText(error) }))
          : Effect.succeed("refuses" as const)
      )
    )
    // To interrupt a statement that the server does not answer takes seconds. Without its socket it fails at once.
    return Effect.onInterrupt(
      Effect.flatMap(Effect.forkChild(question), Fiber.join),
      () => Effect.sync(() => socket.destroy())
    )
  })

/** The server is gone, or starts or stops: the next one may do. Whom it refuses, the next one would refuse too. */
const isPassedOver = (error: SqlError): boolean =>
  error.reason._tag === "ConnectionError" || /^57P0[123]$/.test(errorCode(error) ?? "")
