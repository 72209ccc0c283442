/**
 * Names and numbers of messages, and the links to where they lead.
 */
import { pathOf } from "../data/client.ts"

const grouping = new Intl.NumberFormat("en", { useGrouping: true })

/** A number with its thousands apart. */
export const number = (value: number): string => grouping.format(value)

/** A number of things, such as `1 message` or `3 messages`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${number(value)} ${value === 1 ? one : many}`

const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })

/** An estimate, such as `≈ 1.67M`. */
export const about = (value: number): string => value < 1_000 ? `≈ ${value}` : `≈ ${short.format(value)}`

/** What can't be seen, and what turns the direction around; but not what joins emoji. */
const hidden = /[\p{Cc}\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|(?<!\p{Emoji}\ufe0f?)\u200d/u

const hiddenInLines = new RegExp(`(?!\\n)(?:${hidden.source})`, "u")

/**
 * Text whose invisible characters, such as those that turn the direction around, are shown by their codes. In text that has lines, their
 * ends are no such characters.
 */
export const Text = ({ children, hasLines = false }: { readonly children: string; readonly hasLines?: boolean }) => {
  const unseen = hasLines ? hiddenInLines : hidden
  return unseen.test(children)
    ? (
      <>
        {children.split(new RegExp(`(${unseen.source})`, "u")).map((part) =>
          unseen.test(part)
            ? (
              <span class="code" title="a character that can't be seen">
                {`U+${part.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}`}
              </span>
            )
            : part
        )}
      </>
    )
    : <>{children}</>
}

/** The category of a stream: what stands before the first dash. */
export const categoryOf = (streamName: string): string => streamName.replace(/-.*$/s, "")

const hues = 10

/** A mark in a colour of its own for each category, so that the eye finds what belongs together. It says nothing that the text doesn't. */
export const Mark = ({ category }: { readonly category: string }) => {
  let hash = 0
  for (const char of category) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
  return <span class={`mark hue-${hash % hues}`} aria-hidden="true" />
}

/** A stream, as a link to it. */
export const StreamLink = ({ from, name, keys }: {
  readonly name: string
  readonly from?: number | undefined
  readonly keys?: string
}) => (
  <a
    class="name"
    href={pathOf("/streams/:name", { name }, { from })}
    {...(keys === undefined ? {} : { "aria-keyshortcuts": keys })}
  >
    <Mark category={categoryOf(name)} />
    <Text>{name}</Text>
  </a>
)

/** A global position, as a link to the message. */
export const PositionLink = ({ isRow = false, position }: { readonly position: number; readonly isRow?: boolean }) => (
  <a class="position" href={pathOf("/messages/:position", { position })} {...(isRow ? { "data-row": "" } : {})}>
    #{number(position)}
  </a>
)
