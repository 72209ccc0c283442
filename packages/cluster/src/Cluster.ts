/**
 * Places consumers, processes and read models on machines, evenly, and moves them when machines come and go.
 *
 * **When to use**
 *
 * When one machine is not enough for the handlers, or may not be missing for long. A program changes by {@link layer} alone.
 *
 * **Details**
 *
 * `effect/cluster` knows which machines there are. Each machine runs its share of the members of every consumer group, and of the other
 * readers. Underneath the store's leases decide as ever who may run what, so nothing is handled twice at the same time or out of order,
 * also when two machines see the cluster differently for a moment.
 *
 * @since 0.1.0
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type { SocketServerError } from "effect/socket/SocketServer"
import { SqlClient } from "effect/sql/SqlClient"
import type { MessageStore } from "eventfold/MessageStore"
import { Placement } from "eventfold/Placement"
import type { StoreError, Unsupported } from "eventfold/StoreError"
import * as Aliveness from "./internal/machines/aliveness.ts"
import {
  AddressInUse,
  ClusterFailed,
  ClusterIsRunning,
  ClusterMissing,
  InvalidAddress,
  ShardsChanged
} from "./internal/machines/errors.ts"
import * as Tables from "./internal/machines/tables.ts"
import * as Placed from "./internal/placement/placement.ts"

/**
 * @since 0.1.0
 * @category errors
 */
export { AddressInUse, ClusterFailed, ClusterIsRunning, ClusterMissing, InvalidAddress, ShardsChanged }

/**
 * Which cluster, and how it is installed.
 *
 * @since 0.1.0
 * @category options
 */
export interface InstallOptions extends Postgres.LogOptions {
  /** The database of the log, as for `Postgres.layer`: the server itself, or a pooler in session mode. */
  readonly url: Redacted.Redacted
  /**
   * Into how many shards entities are divided, from 1. It is stored with the log, and a machine that asks for another number is refused
   * with {@link ShardsChanged}. Defaults to 300.
   */
  readonly shards?: number | undefined
}

/**
 * How a machine takes part in a cluster.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends InstallOptions {
  /** `host:port`, by which the other machines reach this one. Each machine has its own. */
  readonly address: string
  /** `host:port` to listen on. Defaults to `address`; `0.0.0.0:4500` where the address is not one of this machine. */
  readonly listen?: string | undefined
  /**
   * After how much silence a machine counts as gone, when its connections are still open: it is frozen, or cut off. Defaults to 6 seconds.
   * One that was killed, or has stopped, is known to be gone within a second, whatever this says.
   *
   * **Details**
   *
   * It holds for the shards of entities, and for the list of machines. Consumers also wait for the leases of the store: give
   * `Postgres.layer` the same time as `leaseTimeout`.
   */
  readonly takeover?: Duration.Input | undefined
  /** Make the tables of the cluster, as {@link install} does. Defaults to false, because the user of an application seldom has the rights. */
  readonly install?: boolean | undefined
}

/**
 * Why a machine can't take part.
 *
 * @since 0.1.0
 * @category errors
 */
export type ClusterError =
  | InvalidAddress
  | AddressInUse
  | ShardsChanged
  | ClusterMissing
  | ClusterFailed
  | ClusterIsRunning
  | Postgres.OpenError
  | SocketServerError
  | StoreError
  | Unsupported

const defaultTakeover = Duration.seconds(6)

/** How often a machine looks which ones there are: one statement, and one for the machine that it looks after. */
const lookInterval = Duration.millis(250)

const parseAddress = (option: "address" | "listen", given: string) => {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(given) ?? []
  const number = Number(port)
  return host === undefined || number > 65_535
    ? Effect.fail(new InvalidAddress({ option, given }))
    : Effect.succeed(RunnerAddress.make(host, number))
}

/** Connections of the cluster's own, few of which are ever in use: one has the locks of shards. */
const pool = ({ url }: InstallOptions) =>
  Postgres.layerPool({ url, maxConnections: 4, applicationName: "eventfold cluster" })

/**
 * Makes the tables of the cluster, in the schema `eventfold_cluster` of the database, or `<log>__cluster` beside another log. Run it with
 * a user that may create schemas, before the first machine starts. It can be repeated.
 *
 * **Details**
 *
 * With `shards` it also sets that number, which may change while no machine runs; otherwise it fails with {@link ClusterIsRunning}.
 * `DROP SCHEMA eventfold_cluster CASCADE` removes it all: nothing in it lasts longer than its machines, but for that number.
 *
 * @since 0.1.0
 * @category installing
 */
export const install = (
  options: InstallOptions
): Effect.Effect<void, ClusterFailed | ClusterIsRunning | Postgres.OpenError> =>
  Effect.provide(Tables.install(Tables.schemaOf(options.schema), options.shards), pool(options))

/** What all machines run: they are there, know one another, and place. */
const machine = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  Placed.Placed,
  ClusterError,
  MessageStore | PgClient | SqlClient | Scope.Scope
> {
  const { shards = Tables.defaultShards, takeover = defaultTakeover } = options
  const schema = Tables.schemaOf(options.schema)
  const runnerAddress = yield* parseAddress("address", options.address)
  const listen = options.listen === undefined
    ? Option.none()
    : Option.some(yield* parseAddress("listen", options.listen))
  if (options.install === true) yield* Tables.install(schema, options.shards)
  yield* Tables.check(schema, shards)

  const self = Aliveness.textOf(runnerAddress)
  const held = yield* Aliveness.hold(self)
  if (Option.isNone(held)) return yield* new AddressInUse({ address: self })
  const placed = Placed.make(self)

  const config = ShardingConfig.layer({
    runnerAddress: Option.some(runnerAddress),
    runnerListenAddress: listen,
    shardsPerGroup: shards,
    shardLockExpiration: takeover,
    shardLockRefreshInterval: Duration.divideUnsafe(Duration.fromInputUnsafe(takeover), 3),
    refreshAssignmentsInterval: lookInterval,
    entityMessagePollInterval: "2 seconds",
    entityTerminationTimeout: "5 seconds",
    simulateRemoteSerialization: false
  })
  const storage = Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.flatMap(RunnerStorage.RunnerStorage, (storage) => Aliveness.living(storage, self, held.value, placed.set))
  ).pipe(Layer.provide(SqlRunnerStorage.layerStorage({ prefix: Tables.prefixOf(schema) })))
  const runner = SocketRunner.layer.pipe(
    Layer.provide([NodeClusterSocket.layerSocketServer, NodeClusterSocket.layerClientProtocol]),
    // Leases tell who is there, so nobody has to be asked.
    Layer.provide([RunnerHealth.layerNoop, storage]),
    Layer.provideMerge(MessageStorage.layerNoop),
    Layer.provide([config, RpcSerialization.layerSchemaBinary()])
  )
  yield* Layer.build(runner)
  return placed
})

/**
 * Makes this program a machine of the cluster.
 *
 * **Details**
 *
 * Provide it to the consumers, processes and read models of the program, on the store that they run on. All machines have to define the
 * same ones. A consumer group offers all of its members on each machine, `members: [0, 1, .., size - 1]`: as many run here as is fair, and
 * they move without `Consumer.regroup`, which is only for another size.
 *
 * A machine that stops on SIGTERM lets its handlers end, writes its positions, and leaves the cluster. What a machine ran that was killed
 * is run by the others within a second or two; messages since its last checkpoint are handled again, as after every crash.
 *
 * @example
 * ```ts no-run
 * import { Cluster } from "@eventfold/cluster"
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Postgres } from "@eventfold/postgres"
 * import { Effect, Layer, Redacted } from "effect"
 * import { Category, Consumer } from "eventfold"
 *
 * const Account = Category.make("account", { Closed: {} })
 *
 * const members = Array.from({ length: 96 }, (_, member) => member)
 * const notifier = Consumer.make("notifier", { group: { size: 96, members } })
 *   .on(Account, { Closed: ({ id }) => Effect.log(id) })
 *
 * const url = Redacted.make("postgres://app:secret@db/shop")
 *
 * const App = Consumer.layer(notifier).pipe(
 *   Layer.provide(Cluster.layer({ url, address: "10.0.0.5:4500" })),
 *   Layer.provide(Postgres.layer({ url }))
 * )
 *
 * Consumer.launch(App).pipe(NodeRuntime.runMain({ teardown: Consumer.teardown }))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<never, ClusterError, MessageStore> =>
  Layer.effect(Placement, Effect.asSome(machine(options))).pipe(Layer.provide(pool(options)))
