/** The programs of READMEs, and what the READMEs say that they print. */
export interface Program {
  readonly code: string
  /** The end of what it prints. */
  readonly prints: string
}

const programs = /^```ts( no-run)?\n([^]*?)^```\n[^]*?^```text\n([^]*?)^```$/gm

const found = (markdown: string, needsMore: boolean): ReadonlyArray<Program> =>
  [...markdown.matchAll(programs)].flatMap(([, noRun, code = "", prints = ""]) =>
    (noRun !== undefined) === needsMore ? [{ code, prints: prints.trim() }] : []
  )

/** Each block that runs, with the block of text behind it. */
export const programsOf = (markdown: string): ReadonlyArray<Program> => found(markdown, false)

/** Each program that prints something, and needs what is not there when documentation is tested: a server. */
export const programsWithServerOf = (markdown: string): ReadonlyArray<Program> => found(markdown, true)

/** The targets of the links, but those into the page itself. */
export const linksOf = (markdown: string): ReadonlyArray<string> =>
  [...markdown.replaceAll(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) =>
    link.startsWith("#") ? [] : [link]
  )
