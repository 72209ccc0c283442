/** Whether a stream, by its name, is among those that something is forgotten of. */
export type Selects = (streamName: string) => boolean

/** What this process keeps of the streams of a store, such as cached states, and how it is told to forget them. */
export interface Forgetting {
  /** Calls a function when streams are deleted, in whole or in part. Gives what ends that. */
  readonly onForget: (forget: (selects: Selects) => void) => () => void
  readonly forget: (selects: Selects) => void
}

export const make = (): Forgetting => {
  const listeners = new Set<(selects: Selects) => void>()
  return {
    onForget: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    forget: (selects) => listeners.forEach((listener) => listener(selects))
  }
}
