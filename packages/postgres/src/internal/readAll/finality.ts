/**
 * Which global positions are final: no message will be committed there any more. This is concluded from looks at the
 * store. Each look sees first the last message, and then the transactions that may have taken positions before it.
 */

/** What a look has seen. */
export interface Look {
  /** The position of the last message; 0 when there is none. */
  readonly last: number
  /**
   * The transactions that have taken positions and not ended, seen after `last`; `undefined` when the look did not have to
   * see them.
   */
  readonly writers: ReadonlyArray<string> | undefined
  /** Which run of the server, and which table. Knowledge of another run is discarded. */
  readonly run: string
}

/**
 * A look that found writers. When they have all ended, everything up to `last` is final, even if others have started
 * since.
 */
interface Noted {
  readonly last: number
  /** The writers that later looks have still found. */
  writers: ReadonlyArray<string>
}

/** What is known. */
export interface Known {
  readonly run: string | undefined
  /** Everything up to here, inclusive, is final. */
  readonly final: number
  /** The oldest first. */
  readonly noted: ReadonlyArray<Noted>
}

export const nothing: Known = { run: undefined, final: 0, noted: [] }

/** A reader at the end needs one note, however long it is held back. More are for readers that begin elsewhere. */
const maxNoted = 8

/** A restart renames a prepared transaction, so it is no longer known by the name under which it was noted. */
const isRenamed = (writer: string) => writer.startsWith("-1/")

/**
 * What is known after a look on behalf of a reader at `from`. `before` is what was known when the look began: the look
 * says nothing about what was noted since.
 */
export const learn = (known: Known, before: Known, look: Look, from: number): Known => {
  const { final, noted } = look.run === known.run ? known : nothing
  const { last, run, writers } = look
  if (writers === undefined) return { run, final, noted }
  for (const one of noted) {
    if (!before.noted.includes(one)) continue
    const { writers: waitedFor } = one
    one.writers = writers.filter((writer) => waitedFor.includes(writer) || isRenamed(writer))
  }
  const ended = noted.filter((one) => one.writers.length === 0)
  const waiting = noted.filter((one) => one.writers.length > 0)
  const newFinal = Math.max(final, ...ended.map((one) => one.last), writers.length === 0 ? last : 0)
  const isWorthNoting = writers.length > 0 && last > newFinal && from > (waiting.at(-1)?.last ?? 0) &&
    waiting.length < maxNoted
  return { run, final: newFinal, noted: isWorthNoting ? [...waiting, { last, writers }] : waiting }
}

/** Of the transactions that are there now, those that may still write at a position. */
export const mayWrite = ({ noted }: Known, position: number) => (writer: string): boolean => {
  const first = noted.find(({ last }) => last >= position)
  return first === undefined || first.writers.includes(writer)
}
