/**
 * JSON to read: keys, values, and a way to fold what is long. Every value is text; none of it is markup.
 */
import { Exact, isObject, type Value, write } from "../data/exact.ts"
import { Text } from "./Names.tsx"

/** As many as are shown before one asks for the rest. */
const shown = 100

const longText = 2_000

const Scalar = ({ value }: { readonly value: Value }) => {
  if (value instanceof Exact) return <span class="json-number">{value.source}</span>
  switch (typeof value) {
    case "string":
      return value.length > longText
        ? (
          <details class="json-more">
            <summary>
              <span class="json-text">
                "<Text>{value.slice(0, 200)}</Text>…"
              </span>{" "}
              <span class="dim">{value.length.toLocaleString("en")} characters</span>
            </summary>
            <span class="json-text">
              "<Text>{value}</Text>"
            </span>
          </details>
        )
        : (
          <span class="json-text">
            "<Text>{value}</Text>"
          </span>
        )
    case "number":
      return <span class="json-number">{String(value)}</span>
    default:
      return <span class="json-word">{String(value)}</span>
  }
}

const Entries = ({ entries }: { readonly entries: ReadonlyArray<readonly [string, Value]> }) => (
  <>
    <ul class="json-entries">
      {entries.slice(0, shown).map(([key, value]) => (
        <li key={key}>
          <Node name={key} value={value} />
        </li>
      ))}
    </ul>
    {entries.length <= shown ? null : (
      <details class="json-more">
        <summary class="dim">{entries.length - shown} more</summary>
        <Entries entries={entries.slice(shown)} />
      </details>
    )}
  </>
)

const Name = ({ children }: { readonly children: string | undefined }) =>
  children === undefined ? null : (
    <span class="json-key">
      <Text>{children}</Text>
    </span>
  )

const Node = ({ depth = 0, name, value }: {
  readonly value: Value
  readonly name?: string | undefined
  readonly depth?: number
}) => {
  const entries: ReadonlyArray<readonly [string, Value]> = Array.isArray(value)
    ? value.map((one: Value, index) => [String(index), one] as const)
    : isObject(value)
    ? Object.entries(value)
    : []
  const isArray = Array.isArray(value)
  if (!isArray && !isObject(value)) {
    return (
      <>
        <Name>{name}</Name>
        <Scalar value={value} />
      </>
    )
  }
  if (entries.length === 0) {
    return (
      <>
        <Name>{name}</Name>
        <span class="json-word">{isArray ? "[]" : "{}"}</span>
      </>
    )
  }
  if (name === undefined) return <Entries entries={entries} />
  return (
    <details class="json-part" open={depth < 3 && entries.length <= shown}>
      <summary>
        <Name>{name}</Name>
        <span class="dim">{isArray ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </summary>
      <Entries entries={entries} />
    </details>
  )
}

/** A value, its parts one below the other. */
export const JsonView = ({ value }: { readonly value: Value }) => (
  <div class="json">
    <Node value={value} />
  </div>
)

/** A value on one line, cut where it is long. */
export const JsonLine = ({ value }: { readonly value: Value }) => {
  const line = write(value)
  return (
    <code class="line">
      <Text>{line.length > 400 ? `${line.slice(0, 400)}…` : line}</Text>
    </code>
  )
}
