/**
 * The place of each page of the documentation, as `docs/README.md` lists them: its sections are the kinds of pages, its items the
 * pages in their order.
 */
import { globSync, readFileSync } from "node:fs"
import { join, normalize } from "node:path"

/** A page in its place. */
export interface Place {
  /** The file, from the root of the repository: `docs/entities.md`. */
  readonly file: string
  readonly label: string
  /** What the page is about, in the words of the list, without a full stop. */
  readonly about: string
}

/** A section: pages, then groups of pages. */
export interface Section {
  readonly label: string
  readonly places: ReadonlyArray<Place>
  readonly groups: ReadonlyArray<Section>
}

const item = /^- \[([^\]]+)\]\(([^)#\s]+\.md)\)(?:: (.+?)\.?)?$/

interface Growing extends Section {
  readonly places: Array<Place>
  readonly groups: Array<Growing>
}

const begin = (label: string): Growing => ({ label, places: [], groups: [] })

/** The sections of a list in Markdown that is in the folder `docs`. */
export const parse = (markdown: string): ReadonlyArray<Section> => {
  const sections: Array<Growing> = []
  let current: Growing | undefined
  // An item may go on in the next lines.
  for (const line of markdown.replaceAll(/\n {2,}(?=\S)/g, " ").split("\n")) {
    const [, marks = "", heading = ""] = /^(##|###) (.+)$/.exec(line) ?? []
    if (marks === "##") sections.push(current = begin(heading))
    if (marks === "###") sections.at(-1)?.groups.push(current = begin(heading))
    const [, label, path, about = ""] = item.exec(line) ?? []
    if (label !== undefined && path !== undefined) {
      current?.places.push({ file: normalize(join("docs", path)), label, about })
    }
  }
  return sections
}

/** All places, in the order of the list. */
export const flat = (sections: ReadonlyArray<Section>): ReadonlyArray<Place> =>
  sections.flatMap(({ groups, places }) => [...places, ...flat(groups)])

/** The pages of a repository's `docs` that a list leaves out, by their headings. */
export const unlisted = (root: string, sections: ReadonlyArray<Section>): ReadonlyArray<Place> => {
  const listed = new Set(["docs/README.md", ...flat(sections).map(({ file }) => file)])
  return globSync("docs/**/*.md", { cwd: root }).filter((file) => !listed.has(file)).toSorted().map((file) => {
    const [, label = file] = /^# (.+)$/m.exec(readFileSync(join(root, file), "utf8")) ?? []
    return { file, label: label.replaceAll("`", ""), about: label }
  })
}

/** The sections of a repository's `docs/README.md`, and one for pages that have no place there, so that no page is missing. */
export const read = (root: string): ReadonlyArray<Section> => {
  const sections = parse(readFileSync(join(root, "docs/README.md"), "utf8"))
  const places = unlisted(root, sections)
  return places.length === 0 ? sections : [...sections, { label: "More", places, groups: [] }]
}
