/**
 * Consumers, processes and read models, as far as a program and a store know them, as data.
 */
import * as Schema from "effect/Schema"
import { Status as ConsumerStatus, StoredConsumer } from "../../ConsumerStatus.ts"
import { OwnerSummary } from "../parking/parked.ts"
import { PendingDeadline, Status as ProcessStatus } from "../process/processStatus.ts"
import { Status as ReadModelStatus, StoredReadModel } from "../readModel/buildStatus.ts"

/**
 * A consumer, as far as this program and the store know it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObservedConsumer = Schema.Struct({
  /** The id of the consumer. */
  consumer: Schema.String,
  /** The category that it reads; `$all` when it reads several, or everything. */
  category: Schema.String,
  /** How far it is, by its definition. None when the definition is not loaded here. */
  status: Schema.OptionFromNullOr(ConsumerStatus),
  /** Its positions in the store, one for each member of its group. Empty when it has never written one. */
  stored: Schema.Array(StoredConsumer),
  /** What waits for it; none when nothing is parked. */
  parked: Schema.OptionFromNullOr(OwnerSummary)
})

/**
 * A consumer, as far as this program and the store know it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObservedConsumer extends Schema.Schema.Type<typeof ObservedConsumer> {}

/**
 * A process: how far its consumers are, and what it waits for.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObservedProcess = Schema.Struct({
  process: Schema.String,
  status: ProcessStatus,
  /** How many deadlines are pending, and how many of them are past their time. */
  pending: Schema.Int,
  overdue: Schema.Int,
  /** The deadlines that are due next, the earliest first: ten at most. */
  next: Schema.Array(PendingDeadline)
})

/**
 * A process: how far its consumers are, and what it waits for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObservedProcess extends Schema.Schema.Type<typeof ObservedProcess> {}

/**
 * A read model, as far as this program and the store know it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObservedReadModel = Schema.Struct({
  readModel: Schema.String,
  /** The version of the definition that is loaded here. None when it is not loaded here. */
  version: Schema.OptionFromNullOr(Schema.Int),
  /** How far its builds are, by the definition. None when it is not loaded here. */
  status: Schema.OptionFromNullOr(ReadModelStatus),
  /** Its builds in the store, by rising number. Empty when it has never run. */
  stored: StoredReadModel.fields.builds
})

/**
 * A read model, as far as this program and the store know it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObservedReadModel extends Schema.Schema.Type<typeof ObservedReadModel> {}
