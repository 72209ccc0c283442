/**
 * What the text of the search box may mean.
 */
import { pathOf } from "./paths.ts"

export interface Meaning {
  readonly says: string
  readonly to: string
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const streamOf = (name: string): Meaning => ({ says: `stream ${name}`, to: pathOf("/streams/:name", { name }) })

/** What a text may mean, the likeliest first. */
export const meanings = (typed: string): ReadonlyArray<Meaning> => {
  const text = typed.trim()
  if (text === "") return []
  const position = /^#?([\d,.' ]+)$/.exec(text)?.[1]?.replace(/\D/g, "")
  if (position !== undefined && position !== "" && Number.isSafeInteger(Number(position)) && Number(position) > 0) {
    return [{
      says: `message #${Number(position).toLocaleString("en")}`,
      to: pathOf("/messages/:position", { position: Number(position) })
    }]
  }
  if (uuid.test(text)) return [{ says: `message with the id ${text}`, to: pathOf("/messages", {}, { id: text }) }]
  const correlation = /^corr(?:elation)?:\s*(.+)$/s.exec(text)?.[1]
  if (correlation !== undefined) {
    return [{ says: `correlation ${correlation}`, to: pathOf("/correlations/:name", { name: correlation }) }]
  }
  const stream = streamOf(text)
  if (!text.includes("-")) {
    // As one says it: order 7, or account #3.
    const [, kind, id] = /^([^\s#]+)[\s#]+(\S+)$/.exec(text) ?? []
    return [
      ...(kind === undefined || id === undefined ? [] : [streamOf(`${kind}-${id}`)]),
      { says: `category ${text}`, to: pathOf("/streams", {}, { category: text }) },
      { says: `categories that begin with ${text}`, to: pathOf("/streams", {}, { prefix: text }) }
    ]
  }
  const category = text.replace(/-.*$/s, "")
  return [
    stream,
    { says: `streams of ${category} that begin with ${text}`, to: pathOf("/streams", {}, { category, prefix: text }) },
    { says: `correlation ${text}`, to: pathOf("/correlations/:name", { name: text }) }
  ]
}
