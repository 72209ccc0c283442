/**
 * What readers have trouble with, said beside a message wherever it is listed: one should not have to look at each to find it.
 */
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { Text } from "./Names.tsx"

type Trouble = Answer<"GET", "/now">["errors"][number]

/** The last errors of readers, by the global positions of their messages. There may be older ones: the consumers have all. */
export const useTroubles = (): ReadonlyMap<number, Trouble> =>
  new Map(useAnswer(get("/now")).value?.errors.map((error) => [error.globalPosition, error]))

/** That a message is parked or retried, and for which consumer; nothing where all is well. */
export const TroubleMark = ({ trouble }: { readonly trouble: Trouble | undefined }) => {
  if (trouble === undefined) return null
  const { category, failure: { message, tag }, kind, reader, state } = trouble
  const says = `${state} for ${reader}`
  const looks = state === "retrying" ? "badge warn" : "badge bad"
  const title = message === "" ? tag : message
  return kind === "consumer"
    ? (
      <a class={looks} title={title} href={pathOf("/consumers/:consumer", { consumer: reader }, { category })}>
        <Text>{says}</Text>
      </a>
    )
    : (
      <span class={looks} title={title}>
        <Text>{says}</Text>
      </span>
    )
}
