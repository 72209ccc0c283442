/**
 * The place of each page of the documentation, as `docs/README.md` lists them: its sections are the kinds of pages, its items the
 * pages in their order.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"

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

/** The heading of a page, in plain words. */
const headingOf = (root: string, file: string): string => {
  const [, heading = file] = /^# (.+)$/m.exec(readFileSync(join(root, file), "utf8")) ?? []
  return heading.replaceAll("`", "")
}

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

const isFolder = ({ file }: Place): boolean => /^docs\/.+\/README\.md$/.test(file)

/** A page that is the README of a folder in `docs` brings the folder's other pages: they are a group with its label. */
const withFolders = (root: string, section: Section): Section => ({
  label: section.label,
  places: section.places.filter((place) => !isFolder(place)),
  groups: [
    ...section.groups.map((group) => withFolders(root, group)),
    ...section.places.filter(isFolder).map(({ about, file, label }): Section => {
      const others = globSync(join(dirname(file), "*.md"), { cwd: root }).filter((other) => other !== file).toSorted()
      return {
        label,
        places: [
          { file, label: "All of them", about },
          ...others.map((file) => ({ file, label: headingOf(root, file), about: headingOf(root, file) }))
        ],
        groups: []
      }
    })
  ]
})

/** The sections of a repository's `docs/README.md`. */
export const listed = (root: string): ReadonlyArray<Section> =>
  parse(readFileSync(join(root, "docs/README.md"), "utf8")).map((section) => withFolders(root, section))

/** The pages of a repository's `docs` that a list leaves out. */
export const unlisted = (root: string, sections: ReadonlyArray<Section>): ReadonlyArray<Place> => {
  const listed = new Set(["docs/README.md", ...flat(sections).map(({ file }) => file)])
  return globSync("docs/**/*.md", { cwd: root }).filter((file) => !listed.has(file)).toSorted()
    .map((file) => ({ file, label: headingOf(root, file), about: headingOf(root, file) }))
}

/** The sections, and one more for pages that have no place there, so that no page is missing. */
export const read = (root: string): ReadonlyArray<Section> => {
  const sections = listed(root)
  const places = unlisted(root, sections)
  return places.length === 0 ? sections : [...sections, { label: "More", places, groups: [] }]
}
