/**
 * Records of what administrators do: who did it, what, and when, as messages of the store.
 *
 * @since 0.1.0
 */
export * as Administration from "./Administration.ts"
/**
 * Moves a store: exports it as lines of JSON, and imports them into another one.
 *
 * @since 0.1.0
 */
export * as Archive from "./Archive.ts"
/**
 * What a database implements so that `Archive` works on it.
 *
 * @since 0.1.0
 */
export * as ArchiveBackend from "./ArchiveBackend.ts"
/**
 * Measures a store where it is.
 *
 * @since 0.1.0
 */
export * as Bench from "./Bench.ts"
/**
 * Typed events and commands: the messages of a category, by schemas.
 *
 * @since 0.1.0
 */
export * as Category from "./Category.ts"
/**
 * Where the named commands of a program are decided: here, or on the machine that keeps the entity in its cache.
 *
 * @since 0.1.0
 */
export * as CommandRouter from "./CommandRouter.ts"
/**
 * Commands by name: decisions on an entity with schemas for what goes in and what comes out.
 *
 * @since 0.1.0
 */
export * as Commands from "./Commands.ts"
/**
 * Consumers: handle the messages of categories in order.
 *
 * @since 0.1.0
 */
export * as Consumer from "./Consumer.ts"
/**
 * The status of a consumer: its members, positions and lag.
 *
 * @since 0.1.0
 */
export * as ConsumerStatus from "./ConsumerStatus.ts"
/**
 * Entities: state folded from a stream, and decisions on it.
 *
 * @since 0.1.0
 */
export * as Entity from "./Entity.ts"
/**
 * Keeps the states of entities in memory.
 *
 * @since 0.1.0
 */
export * as EntityCache from "./EntityCache.ts"
/**
 * Expected versions: optimistic concurrency.
 *
 * @since 0.1.0
 */
export * as ExpectedVersion from "./ExpectedVersion.ts"
/**
 * Failures as data: a tag, a message and fields.
 *
 * @since 0.1.0
 */
export * as FailureReport from "./FailureReport.ts"
/**
 * What holds back a reader of the whole store.
 *
 * @since 0.1.0
 */
export * as HeldBack from "./HeldBack.ts"
/**
 * What a store has: lists of its categories and streams.
 *
 * @since 0.1.0
 */
export * as Listing from "./Listing.ts"
/**
 * A message store in memory, as a backend.
 *
 * @since 0.1.0
 */
export * as MemoryStore from "./MemoryStore.ts"
/**
 * Tables in memory, for read models without a database.
 *
 * @since 0.1.0
 */
export * as MemoryTable from "./MemoryTable.ts"
/**
 * Messages, as written and as recorded.
 *
 * @since 0.1.0
 */
export * as Message from "./Message.ts"
/**
 * The message store: appends messages to streams, and reads them.
 *
 * @since 0.1.0
 */
export * as MessageStore from "./MessageStore.ts"
/**
 * The metadata of messages, and what a message carries over from the one that caused it.
 *
 * @since 0.1.0
 */
export * as Metadata from "./Metadata.ts"
/**
 * What an application is, asked by the names of its definitions.
 *
 * @since 0.1.0
 */
export * as Observe from "./Observe.ts"
/**
 * What is observed, as data: schemas alone.
 *
 * @since 0.1.0
 */
export * as Observed from "./Observed.ts"
/**
 * Parked messages: lists, replays and drops them.
 *
 * @since 0.1.0
 */
export * as Parking from "./Parking.ts"
/**
 * Which of the programs on a store runs a consumer, a member of its group, a process or a read model.
 *
 * @since 0.1.0
 */
export * as Placement from "./Placement.ts"
/**
 * Stores the positions of consumers.
 *
 * @since 0.1.0
 */
export * as PositionStore from "./PositionStore.ts"
/**
 * Processes: state machines that react to events with commands and deadlines.
 *
 * @since 0.1.0
 */
export * as Process from "./Process.ts"
/**
 * Gauges of lag and of what is parked, read from the store.
 *
 * @since 0.1.0
 */
export * as ProgressGauges from "./ProgressGauges.ts"
/**
 * Read models: tables derived from the log, with a checkpoint in the same transaction.
 *
 * @since 0.1.0
 */
export * as ReadModel from "./ReadModel.ts"
/**
 * Stores the builds and checkpoints of read models.
 *
 * @since 0.1.0
 */
export * as ReadModelStore from "./ReadModelStore.ts"
/**
 * What runs where: the consumers and read models of all programs.
 *
 * @since 0.1.0
 */
export * as Runners from "./Runners.ts"
/**
 * What consumers and read models read.
 *
 * @since 0.1.0
 */
export * as Source from "./Source.ts"
/**
 * What an operator does to consumers and read models: by whom, guarded by what was looked at, and recorded.
 *
 * @since 0.1.0
 */
export * as Steering from "./Steering.ts"
/**
 * What a database implements to become a message store.
 *
 * @since 0.1.0
 */
export * as StoreBackend from "./StoreBackend.ts"
/**
 * The errors of a message store.
 *
 * @since 0.1.0
 */
export * as StoreError from "./StoreError.ts"
/**
 * Tells what the library may answer from refusals of one's own.
 *
 * @since 0.1.0
 */
export * as StoreFailure from "./StoreFailure.ts"
/**
 * Names of streams and categories.
 *
 * @since 0.1.0
 */
export * as StreamName from "./StreamName.ts"
/**
 * Streams with attributes and timed messages, and how messages and streams are deleted.
 *
 * @since 0.1.0
 */
export * as Streams from "./Streams.ts"
/**
 * What a database implements so that `Streams` works on it.
 *
 * @since 0.1.0
 */
export * as StreamsBackend from "./StreamsBackend.ts"
/**
 * The end of the log: the last messages, and those that come.
 *
 * @since 0.1.0
 */
export * as Tail from "./Tail.ts"
/**
 * What caused what: the effects of a message, and the messages of a correlation.
 *
 * @since 0.1.0
 */
export * as Trace from "./Trace.ts"
/**
 * Carries traces from the writer of a message to its handlers.
 *
 * @since 0.1.0
 */
export * as TraceContext from "./TraceContext.ts"
/**
 * Checks what a store holds.
 *
 * @since 0.1.0
 */
export * as Verify from "./Verify.ts"
