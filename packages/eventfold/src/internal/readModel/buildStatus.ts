/**
 * How far read models are, as data.
 */
import * as Schema from "effect/Schema"
import { Behind, Lag } from "../../ConsumerStatus.ts"
import { HeldBack } from "../../HeldBack.ts"
import { Build } from "./build.ts"

/**
 * A build of a read model with its lag.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BuildStatus = Schema.Struct({
  ...Build.fields,
  /** How far it is behind the log, counting the messages that the definition handles. */
  lag: Lag
})

/**
 * A build of a read model with its lag.
 *
 * @since 0.1.0
 * @category models
 */
export interface BuildStatus extends Schema.Schema.Type<typeof BuildStatus> {}

/**
 * How far a read model is, whichever process runs it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  readModel: Schema.String,
  /** The live build; none when the read model has never run. */
  live: Schema.OptionFromNullOr(BuildStatus),
  /** All builds, by rising number. */
  builds: Schema.Array(BuildStatus),
  /**
   * The transaction that holds back the read model right now: it has written messages and has not ended. Only a read model of
   * several categories, or of everything, can be held back.
   */
  heldBack: Schema.OptionFromNullOr(HeldBack)
})

/**
 * How far a read model is, whichever process runs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

/**
 * A read model as the store knows it, without its definition: its builds, by rising number, and how many global positions each is
 * behind the end of the log. It has a JSON form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoredReadModel = Schema.Struct({
  readModel: Schema.String,
  builds: Schema.Array(Schema.Struct({ build: Build, behind: Behind }))
})

/**
 * A read model as the store knows it, without its definition.
 *
 * @since 0.1.0
 * @category models
 */
export type StoredReadModel = typeof StoredReadModel.Type
