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
import * as Postgres from "@eventfold/postgres/Postgres"
import * as Clock from "effect/Clock"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ShardId from "effect/cluster/ShardId"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type { SocketServerError } from "effect/socket/SocketServer"
import { CommandRouter } from "eventfold/CommandRouter"
import type * as Commands from "eventfold/Commands"
import { MessageStore } from "eventfold/MessageStore"
import { Placement } from "eventfold/Placement"
import type { StoreError, Unsupported } from "eventfold/StoreError"
import * as Router from "./internal/commands/router.ts"
import * as Aliveness from "./internal/machines/aliveness.ts"
import {
  AddressInUse,
  type ClusterFailed,
  type ClusterIsRunning,
  type ClusterMissing,
  InvalidAddress,
  OtherStore,
  type ShardsChanged
} from "./internal/machines/errors.ts"
import * as Tables from "./internal/machines/tables.ts"
import * as Placed from "./internal/placement/placement.ts"

/**
 * @since 0.1.0
 * @category errors
 */
export {
  AddressInUse,
  ClusterFailed,
  ClusterIsRunning,
  ClusterMissing,
  InvalidAddress,
  OtherStore,
  ShardsChanged
} from "./internal/machines/errors.ts"

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
export interface Options<R = never> extends InstallOptions {
  /** `host:port`, by which the other machines reach this one. Each machine has its own. */
  readonly address: string
  /** `host:port` to listen on. Defaults to `address`. Give `0.0.0.0:4500`, for instance, where the address is not one of this machine. */
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
  /**
   * Commands that are decided on the machine that keeps their entity in its cache: all machines name the same ones. Defaults to none: each
   * machine decides its commands itself.
   *
   * **Details**
   *
   * Each stream has one machine, which decides its commands one after the other on the state that it keeps in the program's `EntityCache`,
   * or in one of 10,000 entities. It reads nothing for that: a state that is older than the stream makes the append fail, and a refusal is
   * checked. So no decision is made twice because machines decide at the same time, and each machine keeps the states of its own streams
   * only. The way over the network costs more than that saves where decisions are quick: the guide to scaling has figures.
   *
   * What a command does and answers is as without it. The metadata of `Metadata.with` goes with it. A command in a transaction, or with
   * the options `metadata`, `retry` or `freshness`, is decided where it is called, and so is one whose machine does not answer for 10
   * seconds. A command is given an id before it is sent, when it has none, because it may be sent again without anyone's knowing.
   */
  readonly commands?: ReadonlyArray<Commands.Any<R>> | undefined
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
  | OtherStore
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

interface Addresses {
  readonly address: RunnerAddress.RunnerAddress
  readonly listen: Option.Option<RunnerAddress.RunnerAddress>
}

const addressesOf = Effect.fnUntraced(function*({ address, listen }: Options<unknown>) {
  const addresses: Addresses = {
    address: yield* parseAddress("address", address),
    listen: listen === undefined ? Option.none() : Option.some(yield* parseAddress("listen", listen))
  }
  return addresses
})

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

/** Refuses a store that is not where the url leads to. */
const checkStore = Effect.fnUntraced(function*({ schema }: Options<unknown>) {
  const store = yield* (yield* MessageStore).identity
  const there = yield* Layer.build(Postgres.layerClient({ schema, announce: false }))
  const given = yield* Context.get(there, MessageStore).identity
  if (store.system === given.system && store.database === given.database) return
  return yield* new OtherStore({ store: store.databaseName, given: given.databaseName })
}, Effect.scoped)

/** What all machines run: they are there, know one another, and place. */
const machine = Effect.fnUntraced(function*<R>(options: Options<R>, { address: runnerAddress, listen }: Addresses) {
  const { shards = Tables.defaultShards, takeover = defaultTakeover } = options
  const schema = Tables.schemaOf(options.schema)
  yield* checkStore(options)
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
  const sharding = yield* Layer.build(runner)
  return yield* Effect.provideContext(references(placed, options.commands), sharding)
})

/** What readers and commands of the program find in their context. */
const references = Effect.fnUntraced(function*<R>(placed: Placed.Placed, commands: Options<R>["commands"] = []) {
  const router = commands.length === 0 ? Option.none() : Option.some(yield* Router.make(commands))
  return Context.empty().pipe(
    Context.add(Placement, Option.some(placed)),
    Context.add(CommandRouter, router)
  )
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
export const layer = <R = never>(options: Options<R>): Layer.Layer<never, ClusterError, R | MessageStore> =>
  Layer.unwrap(
    Effect.map(
      addressesOf(options),
      (addresses) => Layer.effectContext(machine(options, addresses)).pipe(Layer.provide(pool(options)))
    )
  )

const testShards = 8

/** Shards are taken by timers, which would wait for a test to move its clock. */
const realClock = Clock.Clock.defaultValue()

/** Waits until the only machine has all shards: a command before that would be sent again after a pause. */
const shardsTaken = Sharding.Sharding.use(({ hasShardId }) =>
  Effect.whileLoop({
    while: () =>
      Array.from({ length: testShards }, (_, shard) => shard + 1).some((shard) =>
        !hasShardId(ShardId.make("default", shard))
      ),
    body: () => Effect.sleep("1 millis"),
    step: () => {}
  })
).pipe(Effect.provideService(Clock.Clock, realClock))

/**
 * A cluster of this program alone, in memory: it runs every reader, and every command takes the way that it takes in a cluster, but for the
 * network. For tests, and for PGlite, which no other machine can use: `effect/cluster` would wait there for a second connection that
 * PGlite does not have.
 *
 * **Details**
 *
 * It works on any store, and under `TestClock`: it starts by the real clock.
 *
 * @example
 * ```ts no-run
 * import { Cluster } from "@eventfold/cluster"
 * import { Layer } from "effect"
 * import { MessageStore } from "eventfold"
 *
 * const Test = Cluster.layerTest().pipe(Layer.provideMerge(MessageStore.layerMemory))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTest = <R = never>(
  options: Pick<Options<R>, "commands"> = {}
): Layer.Layer<never, never, R | MessageStore> => {
  const self = "this machine"
  const sharding = Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(MessageStorage.layerNoop),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(ShardingConfig.layer({ shardsPerGroup: testShards })),
    Layer.provide(Layer.succeed(Clock.Clock, realClock))
  )
  return Layer.effectContext(Effect.gen(function*() {
    const placed = Placed.make(self)
    yield* placed.set([self])
    yield* shardsTaken
    return yield* references(placed, options.commands)
  })).pipe(Layer.provide(sharding))
}
