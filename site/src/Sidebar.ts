/**
 * The lists of all pages: the sidebar, and `llms.txt` for language models.
 */
import { slugOf } from "./Pages.ts"
import type { Section } from "./Places.ts"

/** An item as Starlight takes it. */
export type SidebarItem =
  | { readonly label: string; readonly link: string }
  | { readonly label: string; readonly collapsed: boolean; readonly items: ReadonlyArray<SidebarItem> }

const packageOf = (module: string): string => module.slice(0, module.lastIndexOf("/"))

const linkOf = (file: string): string => `/${slugOf(file)}/`

/** The modules of each package, in the order in which the packages are first named. */
const byPackage = (modules: ReadonlyArray<string>): ReadonlyArray<readonly [string, ReadonlyArray<string>]> =>
  [...new Set(modules.map(packageOf))]
    .map((name) => [name, modules.filter((module) => packageOf(module) === name)])

/** The core comes first: it is what the others are about. */
const coreFirst = (modules: ReadonlyArray<string>): ReadonlyArray<string> =>
  modules.toSorted((a, b) => Number(a.startsWith("@")) - Number(b.startsWith("@")))

/** The sections with their pages, and in the section Reference the modules. */
export const make = (sections: ReadonlyArray<Section>, modules: ReadonlyArray<string>): ReadonlyArray<SidebarItem> =>
  sections.map((section) => ({
    label: section.label,
    collapsed: false,
    items: [
      ...section.places.map(({ file, label }) => ({ label, link: linkOf(file) })),
      ...section.groups.map(({ label, places }) => ({
        label,
        collapsed: true,
        items: places.map(({ file, label }) => ({ label, link: linkOf(file) }))
      })),
      ...(section.label === "Reference"
        ? byPackage(coreFirst(modules)).map(([name, modules]) => ({
          label: name,
          collapsed: true,
          items: modules.map((module) => ({
            label: module.slice(name.length + 1),
            link: linkOf(`reference/${module}.md`)
          }))
        }))
        : [])
    ]
  }))

const line = (label: string, file: string, about: string): string => `- [${label}](/${slugOf(file)}.md): ${about}`

/** The list for language models, in the form of llmstxt.org: each page as Markdown, with a line about it. */
export const llms = (
  summary: string,
  sections: ReadonlyArray<Section>,
  modules: ReadonlyMap<string, string>
): string => {
  const listOf = ({ groups, places }: Section): ReadonlyArray<string> => [
    ...places.map(({ about, file, label }) => line(label, file, about)),
    ...groups.flatMap(listOf)
  ]
  return [
    `# eventfold\n\n> ${summary}\n\nAll pages in one file: [llms-full.txt](/llms-full.txt)`,
    ...sections.map((section) => `## ${section.label}\n\n${listOf(section).join("\n")}`),
    `## Modules\n\n${
      coreFirst([...modules.keys()]).map((name) => line(name, `reference/${name}.md`, modules.get(name) ?? "")).join(
        "\n"
      )
    }`,
    ""
  ].join("\n\n").trimEnd() + "\n"
}
