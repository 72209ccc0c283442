/** The programs of READMEs, and what the READMEs say that they print. */
export interface Program {
  readonly code: string
  /** The end of what it prints. */
  readonly prints: string
}

/** Each block with this fence, with the block of text behind it. */
const found = (markdown: string, fence: string): ReadonlyArray<Program> =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${fence}\n([^]*?)^\`\`\`\n[^]*?^\`\`\`text\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, code = "", prints = ""]) => ({ code, prints: prints.trim() })
  )

/** Each block that runs. */
export const programsOf = (markdown: string): ReadonlyArray<Program> => found(markdown, "ts")

/** Each program that needs what is not there when documentation is tested: a server. */
export const programsWithServerOf = (markdown: string): ReadonlyArray<Program> => found(markdown, "ts no-run")

/** The targets of the links, but those into the page itself. */
export const linksOf = (markdown: string): ReadonlyArray<string> =>
  [...markdown.replaceAll(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) =>
    link.startsWith("#") ? [] : [link]
  )
