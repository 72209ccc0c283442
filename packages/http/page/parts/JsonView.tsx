/**
 * JSON to read: keys, values, and a way to fold what is long. Every value is text; none of it is markup.
 */
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { Exact, isObject, isSmall, type Value, writeStart } from "../data/exact.ts"
import { Text } from "./Names.tsx"

/** As many as are shown before one asks for the rest. */
const shown = 100

const longText = 2_000

/** How deep parts are open at first, and of how many parts. */
const [openDepth, openParts] = [3, 300]

/** What can be folded. What is folded is not there: a value may have more parts than a browser can hold. */
const Fold = ({ children, isOpen = false, looks, summary }: {
  readonly looks: "json-part" | "json-more"
  readonly summary: ComponentChildren
  readonly isOpen?: boolean
  readonly children: () => ComponentChildren
}) => {
  const isShown = useSignal(isOpen)
  return (
    <details
      class={looks}
      open={isShown.value}
      onToggle={(event) => {
        isShown.value = event.currentTarget.open
      }}
    >
      <summary>{summary}</summary>
      {isShown.value ? children() : null}
    </details>
  )
}

const Scalar = ({ value }: { readonly value: Value }) => {
  if (value instanceof Exact) return <span class="json-number">{value.source}</span>
  switch (typeof value) {
    case "string":
      return value.length > longText
        ? (
          <Fold
            looks="json-more"
            summary={
              <>
                <span class="json-text">
                  "<Text>{value.slice(0, 200)}</Text>…"
                </span>{" "}
                <span class="dim">{value.length.toLocaleString("en")} characters</span>
              </>
            }
          >
            {() => (
              <span class="json-text">
                "<Text hasLines>{value}</Text>"
              </span>
            )}
          </Fold>
        )
        : (
          <span class="json-text">
            "<Text hasLines>{value}</Text>"
          </span>
        )
    case "number":
      return <span class="json-number">{String(value)}</span>
    default:
      return <span class="json-word">{String(value)}</span>
  }
}

const Entries = ({ depth, entries }: {
  readonly entries: ReadonlyArray<readonly [string, Value]>
  readonly depth: number
}) => (
  <>
    <ul class="json-entries">
      {entries.slice(0, shown).map(([key, value]) => (
        <li key={key}>
          <Node name={key} value={value} depth={depth} />
        </li>
      ))}
    </ul>
    {entries.length <= shown ?
      null :
      (
        <Fold looks="json-more" summary={<span class="dim">{(entries.length - shown).toLocaleString("en")} more</span>}>
          {() => <Entries entries={entries.slice(shown)} depth={depth} />}
        </Fold>
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
  if (name === undefined) return <Entries entries={entries} depth={depth} />
  return (
    <Fold
      looks="json-part"
      isOpen={depth < openDepth && entries.length <= shown && isSmall(value, openParts)}
      summary={
        <>
          <Name>{name}</Name>
          <span class="dim">{isArray ? `[${entries.length}]` : `{${entries.length}}`}</span>
        </>
      }
    >
      {() => <Entries entries={entries} depth={depth + 1} />}
    </Fold>
  )
}

/** A value, its parts one below the other. */
export const JsonView = ({ value }: { readonly value: Value }) => (
  <div class="json">
    <Node value={value} />
  </div>
)

/** A value on one line, cut where it is long. */
export const JsonLine = ({ value }: { readonly value: Value }) => (
  <code class="line">
    <Text>{writeStart(value, 400)}</Text>
  </code>
)
