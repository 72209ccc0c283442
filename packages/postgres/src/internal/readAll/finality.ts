/**
 * Which global positions are final: what is there now is all that will ever be there. It is worked out from looks at the
 * store, each of which sees first the last message there is, and then which transactions may have taken positions before it.
 */

/** What a look has seen. */
export interface Look {
  /** The position of the last message; 0 when there is none. */
  readonly last: number
  /** Transactions that have taken positions and not ended, seen after `last`; `undefined` when nobody looked for them. */
  readonly writers: ReadonlyArray<string> | undefined
  /** Which run of the server, and which table: knowledge of another one is worth nothing. */
  readonly run: string
}

/** A look that found writers. When they are all gone, whoever has come since, everything up to `last` is final. */
interface Noted {
  readonly last: number
  /** Those of them who were still there when somebody looked again. */
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

/** One is enough for a reader at the end, however long it is held back: more are for readers that begin elsewhere. */
const maxNoted = 8

/** A prepared transaction from before a restart: it has lost the name under which it may have been noted. */
const isRecovered = (writer: string) => writer.startsWith("-1/")

/**
 * What is known after a look on behalf of a reader at `from`. `before` is what was known when the look began: of what was
 * noted since it knows nothing.
 */
export const learn = (known: Known, before: Known, look: Look, from: number): Known => {
  const { final, noted } = look.run === known.run ? known : nothing
  const { last, run, writers } = look
  if (writers === undefined) return { run, final, noted }
  for (const one of noted) {
    if (!before.noted.includes(one)) continue
    const { writers: waitedFor } = one
    one.writers = writers.filter((writer) => waitedFor.includes(writer) || isRecovered(writer))
  }
  const gone = noted.filter((one) => one.writers.length === 0)
  const waiting = noted.filter((one) => one.writers.length > 0)
  const newFinal = Math.max(final, ...gone.map((one) => one.last), writers.length === 0 ? last : 0)
  const isNews = writers.length > 0 && last > newFinal && from > (waiting.at(-1)?.last ?? 0) &&
    waiting.length < maxNoted
  return { run, final: newFinal, noted: isNews ? [...waiting, { last, writers }] : waiting }
}

/** Those who may still write at a position, of all who are there now. */
export const mayWrite = ({ noted }: Known, position: number) => (writer: string): boolean => {
  const first = noted.find(({ last }) => last >= position)
  return first === undefined || first.writers.includes(writer)
}
