import * as StreamQueues from "./streamQueues.ts"

/**
 * The key under which the service of a store has what its users in this process share. A string, and no symbol: the types of
 * what wraps the service name it, and no program can import a symbol from here.
 */
export const TypeId = "~eventfold/MessageStore/InProcess"

/**
 * What the users of one store share within this process, and other processes know nothing of. Only eventfold's own modules
 * use it.
 *
 * @category models
 * @since 0.1.0
 */
export interface InProcess {
  readonly streamQueues: StreamQueues.StreamQueues
}

export const make = (): InProcess => ({ streamQueues: StreamQueues.make() })
