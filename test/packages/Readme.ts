/** The programs of READMEs, and what the READMEs say that they print. */
export interface Program {
  readonly code: string
  /** The end of what it prints. */
  readonly prints: string
}

/** Each block that runs, with the block of text behind it. */
export const programsOf = (markdown: string): ReadonlyArray<Program> =>
  [...markdown.matchAll(/^```ts\n([^]*?)^```\n[^]*?^```text\n([^]*?)^```$/gm)].map(([, code = "", prints = ""]) => ({
    code,
    prints: prints.trim()
  }))

/** The targets of the links, but those into the page itself. */
export const linksOf = (markdown: string): ReadonlyArray<string> =>
  [...markdown.replaceAll(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) =>
    link.startsWith("#") ? [] : [link]
  )
