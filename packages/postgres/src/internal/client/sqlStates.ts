/**
 * What each SQLSTATE of PostgreSQL means for a store. The documentation of failures has the same table with a reason for each row, and a
 * test raises every code of the server's list.
 */

/**
 * - `passes`: the same statement may succeed soon, so the store repeats it. It is not known to have had an effect, or may have
 *   been committed all the same: the ids of messages make that safe.
 * - `elsewhere`: it passes too, but this session will not see it: the store gives the session up and repeats the statement on
 *   another one.
 * - `later`: it may succeed some time, but to repeat it at once would only make it worse. A consumer waits and tries again.
 * - `final`: the statement, the data or the set-up is at fault, so a repetition fails in the same way.
 */
export type State = "passes" | "elsewhere" | "later" | "final"

/** By class, the first two characters of a code. Classes that are not here are final. */
const classes: ReadonlyMap<string, State> = new Map([
  // The connection has failed.
  ["08", "passes"],
  // The server refuses the login. A password that is being changed passes, and a store that runs has logged in before.
  ["28", "later"],
  // The server has no such database. A store that runs has found it before.
  ["3D", "later"],
  ["40", "passes"],
  ["53", "passes"],
  ["57", "passes"],
  // The operating system of the server has failed.
  ["58", "passes"],
  // A snapshot that is too old, of PostgreSQL up to 16.
  ["72", "passes"]
])

const exceptions: ReadonlyMap<string, State> = new Map([
  // Read-only: a standby, or a server or database that an administrator has made so.
  ["25006", "elsewhere"],
  // The server ended a session that was idle in a transaction, or a transaction that took too long.
  ["25P03", "passes"],
  ["25P04", "passes"],
  // The session no longer knows a prepared statement, which the client then prepares again.
  ["26000", "passes"],
  ["40002", "final"],
  ["53400", "final"],
  ["55006", "passes"],
  // A wait for a lock was as long as it may be.
  ["55P03", "later"],
  // A statement was as long as it may be, or was cancelled.
  ["57014", "later"],
  ["57P04", "later"],
  // A file of the server is missing, is there already, or has a name that it can't have.
  ["58P01", "final"],
  ["58P02", "final"],
  ["58P03", "final"],
  // Memory, and a server behind a foreign table.
  ["HV001", "passes"],
  ["HV00N", "passes"]
])

/**
 * By code and by the function of the server that reports it. The server translates its messages, and not the names of its
 * functions.
 */
const routines: ReadonlyMap<string, State> = new Map([
  // A prepared statement whose tables have changed, which the client then prepares again.
  ["0A000 RevalidateCachedQuery", "passes"],
  // A standby, of a database whose default isolation level is SERIALIZABLE.
  ["0A000 GetSerializableTransactionSnapshot", "elsewhere"],
  // The server takes no writes until a vacuum, so that transaction ids don't wrap around.
  ["54000 GetNewTransactionId", "passes"],
  ["54000 GetNewMultiXactId", "passes"],
  // A standby.
  ["55000 LockAcquireExtended", "elsewhere"],
  // The database takes no connections for now.
  ["55000 CheckMyDatabase", "later"]
])

/** What an error of the server is, by its SQLSTATE and the server's function that reports it. */
export const stateOf = (code: string, routine?: string): State =>
  (routine === undefined ? undefined : routines.get(`${code} ${routine}`)) ??
    exceptions.get(code) ?? classes.get(code.slice(0, 2)) ?? "final"
