/**
 * What can go wrong in a run.
 */
import type { Postgres } from "@eventfold/postgres"
import type { SqlFileError } from "@eventfold/sql"
import type * as PostgresServer from "@eventfold/test/support/PostgresServer"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { ExportError, ImportError } from "eventfold/Archive"
import type { DecodeError } from "eventfold/Category"
import type { RunError } from "eventfold/Consumer"
import type { LoadError, TransactError } from "eventfold/Entity"
import type { AppendError, ReadCategoryError } from "eventfold/MessageStore"

/** A promise of a peer's client was rejected, or a process that measures failed. */
export class PeerError extends Data.TaggedError("PeerError")<{ readonly message: string; readonly cause: unknown }> {}

/** A build can't run a row. Its process can run the next one. */
export class RowError extends Data.TaggedError("RowError")<{ readonly message: string }> {}

export type BenchError =
  | SqlError
  | SqlFileError
  | PostgresServer.PostgresServerError
  | Postgres.OpenError
  | AppendError
  | ReadCategoryError
  | DecodeError
  | LoadError
  | TransactError
  | RunError
  | PeerError
  | RowError
  | ExportError
  | ImportError

/** A call of a peer's client as an effect. */
export const promise = <A>(call: () => Promise<A>): Effect.Effect<A, PeerError> =>
  Effect.tryPromise({ try: call, catch: (cause) => new PeerError({ message: String(cause), cause }) })
