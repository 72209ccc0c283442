/**
 * Messages of several streams as rows of a table, and the filters of which ones.
 */
import { address, goQuery } from "../data/address.ts"
import type { RecordedMessage } from "../data/api.ts"
import { JsonLine } from "../parts/JsonView.tsx"
import { PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { At } from "../parts/Time.tsx"

/** A list for a query that wants one at least. */
const some = (values: ReadonlyArray<string>): readonly [string, ...Array<string>] | undefined => {
  const [first, ...rest] = values.filter((one) => one !== "")
  return first === undefined ? undefined : [first, ...rest]
}

/** The filters of the address. */
export const filters = () => {
  const { query } = address.value
  return { category: some(query.getAll("category")), type: some(query.getAll("type")) }
}

/** Rows of messages of several streams. */
export const Rows = ({ messages }: { readonly messages: ReadonlyArray<RecordedMessage> }) => (
  <>
    {messages.map((message) => (
      <tr key={message.globalPosition}>
        <th scope="row" class="num">
          <PositionLink isRow position={message.globalPosition} />
        </th>
        <td class="fit">
          <At inColumn time={message.time} />
        </td>
        <td class="clip">
          <StreamLink name={message.streamName} />
        </td>
        <td class="type clip">
          <Text>{message.type}</Text>
        </td>
        <td class="wide">
          <JsonLine value={message.data} />
        </td>
      </tr>
    ))}
  </>
)

/** The heading of such rows. */
export const Head = () => (
  <thead>
    <tr>
      <th scope="col" class="num">Position</th>
      <th scope="col">Written, in UTC</th>
      <th scope="col">Stream</th>
      <th scope="col">Type</th>
      <th scope="col">Data</th>
    </tr>
  </thead>
)

/** The form of the filters. */
export const Filters = () => {
  const { category, type } = filters()
  return (
    <form
      key={`${category} ${type}`}
      class="filters"
      onSubmit={(event) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget)
        const text = (name: string) => {
          const value = given.get(name)
          return typeof value === "string" ? value.trim() : ""
        }
        goQuery({ category: text("category"), type: text("type") })
      }}
    >
      <label>
        Category
        <input
          name="category"
          class="mono"
          defaultValue={category?.[0] ?? ""}
          placeholder="all"
          autocomplete="off"
          aria-keyshortcuts="f"
          data-does="filter"
        />
      </label>
      <label>
        Type
        <input name="type" class="mono" defaultValue={type?.[0] ?? ""} placeholder="all" autocomplete="off" />
      </label>
      <button type="submit">Filter</button>
    </form>
  )
}
