/**
 * What is observed, as data: the schemas of what `Observe`, `Runners`, `Parking`, `Process`, `ReadModel`, `Streams` and
 * `Administration` tell of a program and of its store.
 *
 * **When to use**
 *
 * In a browser, or wherever else these answers are read and not made: this module needs nothing of the store. The modules above have
 * the same schemas, with what makes the answers.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 */
export { Administered } from "./internal/observe/administered.ts"
/** @since 0.1.0 */
export { EntityChange, EntityState, StateAt } from "./internal/observe/observedEntities.ts"
/** @since 0.1.0 */
export { DecodedMessage, MessageReader } from "./internal/observe/observedMessages.ts"
/** @since 0.1.0 */
export { ObservedConsumer, ObservedProcess, ObservedReadModel } from "./internal/observe/observedReaders.ts"
/** @since 0.1.0 */
export { Misfit, StoredType, StoredTypes } from "./internal/observe/observedTypes.ts"
/** @since 0.1.0 */
export { OwnerSummary, ParkedMessage, ParkedStream } from "./internal/parking/parked.ts"
/** @since 0.1.0 */
export {
  PendingDeadline,
  ProcessHistory,
  Reacted as ReactionDone,
  Status as ProcessStatus,
  WaitingProcess
} from "./internal/process/processStatus.ts"
/** @since 0.1.0 */
export { Build, BuildState, Checkpoint } from "./internal/readModel/build.ts"
/** @since 0.1.0 */
export { BuildStatus, Status as ReadModelStatus, StoredReadModel } from "./internal/readModel/buildStatus.ts"
/** @since 0.1.0 */
export { Attributes, Message as StreamMessage, Stats as StreamStats } from "./internal/store/attributedStreams.ts"
/** @since 0.1.0 */
export { StoreDescription, StoreRelation } from "./internal/store/storeDescription.ts"
/** @since 0.1.0 */
export { StoreIdentity } from "./internal/store/storeIdentity.ts"
/** @since 0.1.0 */
export { Run, Runner } from "./internal/store/toldRunners.ts"
/** @since 0.1.0 */
export { Cause, Caused, Traced, Wait } from "./internal/store/traces.ts"
