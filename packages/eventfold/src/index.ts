/** @since 0.1.0 */
export * as Category from "./Category.ts"
/** @since 0.1.0 */
export * as Consumer from "./Consumer.ts"
/** @since 0.1.0 */
export * as ConsumerStatus from "./ConsumerStatus.ts"
/** @since 0.1.0 */
export * as Entity from "./Entity.ts"
/** @since 0.1.0 */
export * as EntityCache from "./EntityCache.ts"
/** @since 0.1.0 */
export * as ExpectedVersion from "./ExpectedVersion.ts"
/** @since 0.1.0 */
export * as HeldBack from "./HeldBack.ts"
/** @since 0.1.0 */
export * as MemoryStore from "./MemoryStore.ts"
/** @since 0.1.0 */
export * as MemoryTable from "./MemoryTable.ts"
/** @since 0.1.0 */
export * as Message from "./Message.ts"
/** @since 0.1.0 */
export * as MessageStore from "./MessageStore.ts"
/** @since 0.1.0 */
export * as Metadata from "./Metadata.ts"
/** @since 0.1.0 */
export * as Parking from "./Parking.ts"
/** @since 0.1.0 */
export * as PositionStore from "./PositionStore.ts"
/** @since 0.1.0 */
export * as Process from "./Process.ts"
/** @since 0.1.0 */
export * as ReadModel from "./ReadModel.ts"
/** @since 0.1.0 */
export * as ReadModelStore from "./ReadModelStore.ts"
/** @since 0.1.0 */
export * as Source from "./Source.ts"
/** @since 0.1.0 */
export * as StoreBackend from "./StoreBackend.ts"
/** @since 0.1.0 */
export * as StoreError from "./StoreError.ts"
/** @since 0.1.0 */
export * as StreamName from "./StreamName.ts"
/** @since 0.1.0 */
export * as TraceContext from "./TraceContext.ts"
