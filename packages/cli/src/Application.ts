/**
 * What the module of an application exports for the command: `--module` of the commands that need its definitions.
 *
 * The command knows streams and positions of a store. The state of an entity, the schemas of events and a rebuild need definitions, and
 * those are code. An application has a module that registers them, and exports the layer as `observe`:
 *
 * @example
 * ```ts
 * import type { Application } from "@eventfold/cli"
 * import { Schema } from "effect"
 * import { Category, Entity, Observe } from "eventfold"
 *
 * const Account = Category.make("account", { Deposited: { amount: Schema.Int } })
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { amount }) => balance + amount }
 * })
 *
 * export const observe = Observe.layer({ entities: { account: Balance } }) satisfies Application.Observed
 * ```
 *
 * @since 0.1.0
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import type { Layer } from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type { MessageStore } from "eventfold/MessageStore"
import type { Observe } from "eventfold/Observe"
import type { ReadModelStore } from "eventfold/ReadModelStore"

/**
 * What the command provides the application's layer with: the store that it works on. The application provides the rest itself, such as a
 * mailer that a handler needs, or a stand-in for it where only read models are rebuilt.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = MessageStore | ReadModelStore | PgClient | SqlClient

/**
 * The layer that the module of an application exports as `observe`. It runs nothing: it registers definitions.
 *
 * @category models
 * @since 0.1.0
 */
export type Observed = Layer<Observe, unknown, Provided>
