import * as Schema from "effect/Schema"

/**
 * The address of a machine is not `host:port`.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>()("InvalidAddress", {
  /** Which option it is. */
  option: Schema.Literals(["address", "listen"]),
  given: Schema.String
}) {
  override get message(): string {
    return `the option ${this.option} is ${JSON.stringify(this.given)}: give a host and a port, as in 10.0.0.5:4500`
  }
}

/**
 * Another machine has this machine's address, and runs: for 20 seconds it kept its lease.
 *
 * @since 0.1.0
 * @category errors
 */
export class AddressInUse extends Schema.TaggedError<AddressInUse>()("AddressInUse", { address: Schema.String }) {
  override get message(): string {
    return `another machine has the address ${this.address}: give each machine the address by which the others reach it`
  }
}

/**
 * This program divides entities into another number of shards than the cluster does. Commands of one machine would be sent to others that
 * do not expect them.
 *
 * @since 0.1.0
 * @category errors
 */
export class ShardsChanged extends Schema.TaggedError<ShardsChanged>()("ShardsChanged", {
  /** The number that is stored with the log. */
  recorded: Schema.Int,
  given: Schema.Int
}) {
  override get message(): string {
    return `the cluster has ${this.recorded} shards and this program asks for ${this.given}: give the option shards as ` +
      `${this.recorded}, or stop all machines and run Cluster.install with shards: ${this.given}`
  }
}

/**
 * The `url` and `schema` of the cluster are not those of the store: machines would place what is kept elsewhere.
 *
 * @since 0.1.0
 * @category errors
 */
export class OtherStore extends Schema.TaggedError<OtherStore>()("OtherStore", {
  /** The database of the store, with its log; `undefined` for a store that is in none. */
  store: Schema.UndefinedOr(Schema.String),
  /** The database that the url leads to. */
  given: Schema.UndefinedOr(Schema.String)
}) {
  override get message(): string {
    return `the url leads to the database ${this.given}, and the store is ${
      this.store ?? "in memory"
    } elsewhere: give the url and ` +
      "the schema of the store. A store in this process, as on PGlite, has no other machines: Cluster.layerTest is for it"
  }
}

/**
 * The database has no tables of the cluster.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClusterMissing extends Schema.TaggedError<ClusterMissing>()("ClusterMissing", { schema: Schema.String }) {
  override get message(): string {
    return `the schema ${this.schema} with the tables of the cluster is missing: run Cluster.install, or give the option install: true`
  }
}

/**
 * The tables of the cluster could not be read or made.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClusterFailed extends Schema.TaggedError<ClusterFailed>()("ClusterFailed", {
  schema: Schema.String,
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `the tables of the cluster in the schema ${this.schema} can't be used: ${this.detail}`
  }
}

/**
 * Machines of the cluster run, and this needs that none does.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClusterIsRunning extends Schema.TaggedError<ClusterIsRunning>()("ClusterIsRunning", {
  machines: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `the number of shards can't be changed while machines run: stop ${this.machines.join(", ")}`
  }
}
