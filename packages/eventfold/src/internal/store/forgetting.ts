/** Whether a stream, by its name, is among those that something is forgotten of. */
export type Selects = (streamName: string) => boolean

/** What this process keeps of the streams of a store, such as cached states, and how it is told to forget them. */
export interface Forgetting {
  /** Calls the function when streams are deleted, in whole or in part. It stays as long as the store. */
  readonly onForget: (forget: (selects: Selects) => void) => void
  readonly forget: (selects: Selects) => void
}

export const make = (): Forgetting => {
  const listeners: Array<(selects: Selects) => void> = []
  return {
    onForget: (listener) => void listeners.push(listener),
    forget: (selects) => listeners.forEach((listener) => listener(selects))
  }
}
