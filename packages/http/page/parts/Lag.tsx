/**
 * How far a reader is behind, and failures of its handlers.
 */
import { duration } from "../data/durations.ts"
import { counted, number, Text } from "./Names.tsx"

interface Lag {
  readonly messages: number
  /** In milliseconds. */
  readonly age: number | null
}

/** Messages, and the age of the oldest one. */
export const LagCell = (
  { lag: { age, messages }, isExact = true }: { readonly lag: Lag; readonly isExact?: boolean }
) =>
  messages === 0
    ? <span class="dim">none</span>
    : (
      <span title={isExact ? undefined : "global positions after its own: it has at most as many messages to handle"}>
        {isExact ? number(messages) : `≤ ${number(messages)}`}
        {age === null ? "" : ` / ${duration(age)}`}
      </span>
    )

interface Report {
  readonly tag: string
  readonly message: string
}

/** A failure in one line: its tag, and what it says. */
export const FailureLine = ({ failure: { message, tag } }: { readonly failure: Report }) => (
  <span class="failure-line" title={message}>
    <b>
      <Text>{tag}</Text>
    </b>{" "}
    <Text>{message.length > 300 ? `${message.slice(0, 300)}…` : message}</Text>
  </span>
)

/** How often something was tried. */
export const attempts = (count: number): string => counted(count, "attempt")
