/**
 * Who holds back a reader of everything, and where.
 */
import { duration } from "../data/durations.ts"
import { number, Text } from "./Names.tsx"

/** A transaction, as any of the answers tells of it. */
interface Writer {
  readonly pid?: number | null | undefined
  readonly preparedAs?: string | null | undefined
  readonly state?: string | null | undefined
  readonly age?: number | null | undefined
  readonly applicationName?: string | null | undefined
}

interface Place {
  readonly position: number
  readonly writers: ReadonlyArray<Writer>
}

const wordsOf = ({ age, applicationName, pid, preparedAs, state }: Writer): string =>
  [
    pid == null
      ? preparedAs == null ? "a process that the store may not see" : `the prepared transaction ${preparedAs}`
      : `pid ${pid}${applicationName == null || applicationName === "" ? "" : ` of ${applicationName}`}`,
    ...(state == null ? [] : [state]),
    ...(age == null ? [] : [`for ${duration(age)}`])
  ].join(", ")

/** Where it is held back and by which transactions, after "held back". */
export const HeldBackAt = ({ at: { position, writers } }: { readonly at: Place }) => (
  <>
    at #{number(position)} by{" "}
    <Text>
      {writers.length === 0 ? "a transaction that has just ended" : writers.map(wordsOf).join("; ")}
    </Text>
  </>
)

/** A line of a view about a reader that is held back. */
export const HeldBackNote = ({ at }: { readonly at: Place | null | undefined }) =>
  at == null ? null : (
    <p class="note warn" role="status">
      Held back <HeldBackAt at={at} />. Messages after it are read when that has ended.
    </p>
  )
