/**
 * Pages of the site, out of the Markdown in the repository: a title in the front matter instead of a heading, and links to pages
 * of the site instead of files.
 */
import { posix } from "node:path"

/** A page: where it is on the site, without slashes around it, and what it says. */
export interface Page {
  readonly slug: string
  readonly title: string
  /** Its first paragraph in plain words. */
  readonly description: string
  /** The text below the title, with links of the site. */
  readonly body: string
}

/** Where a link leads: to a page, to a file that the site serves, or to nothing that the site has. */
export type Target = { readonly slug: string } | { readonly asset: string } | undefined

/** The slug of a file of the repository: `docs/decisions/README.md` becomes `decisions`. */
export const slugOf = (file: string): string =>
  file.toLowerCase().replace(/^docs\//, "").replace(/\.md$/, "").replace(/(^|\/)(readme|index)$/, "")
    .replaceAll("@", "").replaceAll(/[^a-z0-9/-]+/g, "-")

const plain = (markdown: string): string =>
  markdown.replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[`*]|\\(?=[<>_[\]])/g, "").replaceAll(/\s+/g, " ")
    .trim()

/** Applies a change to what is outside of fenced code. */
const outsideCode = (markdown: string, change: (text: string) => string): string =>
  markdown.split(/(^ *```[^]*?^ *```$)/m).map((part, i) => i % 2 === 0 ? change(part) : part).join("")

/** A link's text, and the address that it has in the Markdown. */
const link = /(!?)\[((?:[^\]\\]|\\.)*)\]\(([^)\s]+)\)/g

const addressOf = (target: NonNullable<Target>, hash: string): string =>
  "asset" in target ? `/${target.asset}` : `/${target.slug === "" ? "" : `${target.slug}/`}${hash}`

/**
 * Makes the page of a file. `locate` says where a file or folder of the repository is on the site; of a link that leads nowhere
 * there only the text stays.
 */
export const make = (file: string, markdown: string, locate: (path: string) => Target): Page => {
  const [, title = file] = /^# (.+)$/m.exec(markdown) ?? []
  const text = markdown.replace(/^# .+\n+/m, "")
  const body = outsideCode(
    text,
    (part) =>
      part.replaceAll(link, (whole, image: string, label: string, address: string) => {
        if (/^[a-z]+:|^#/.test(address)) return whole
        const [path = "", anchor] = address.split("#")
        const target = locate(posix.normalize(posix.join(posix.dirname(file), path)))
        if (target === undefined) return label
        return `${image}[${label}](${addressOf(target, anchor === undefined ? "" : `#${anchor}`)})`
      })
  )
  const paragraph = text.split(/\n{2,}/).find((part) => /^[\p{L}`[*]/u.test(part.trim())) ?? ""
  const description = plain(paragraph)
  return { slug: slugOf(file), title: plain(title), description, body }
}

/** The page as Starlight reads it. JSON is YAML. */
export const render = ({ body, description, title }: Page): string =>
  `---\ntitle: ${JSON.stringify(title)}\ndescription: ${JSON.stringify(description)}\n---\n\n${body}`

/** The page as one reads it without the site. */
export const renderPlain = ({ body, title }: Page): string => `# ${title}\n\n${body.trim()}\n`
