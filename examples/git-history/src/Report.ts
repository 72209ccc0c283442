/**
 * Summarizes the files of a repository in tables.
 */
import Table from "cli-table3"
import { DateTime, HashMap, Option } from "effect"
import * as FileId from "./FileId.ts"
import type { FileState } from "./History.ts"

export interface Summary {
  readonly alive: number
  readonly files: number
  readonly changes: number
  /** The files, those with the most changes first. */
  readonly mostChanged: ReadonlyArray<readonly [id: string, file: FileState]>
  /** The authors, those with the most changes first. */
  readonly authors: ReadonlyArray<Author>
}

export interface Author {
  readonly name: string
  readonly changes: number
  readonly files: number
}

const byText = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

/** The author with the most changes. */
const mainAuthor = (file: FileState): readonly [name: string, changes: number] =>
  HashMap.toEntries(file.authors).reduce(
    (main, one) => one[1] > main[1] || (one[1] === main[1] && one[0] < main[0]) ? one : main,
    ["", 0]
  )

export const summarize = (files: ReadonlyMap<string, FileState>): Summary => {
  const authors = new Map<string, { name: string; changes: number; files: number }>()
  let alive = 0
  let changes = 0
  for (const file of files.values()) {
    if (file.alive) alive++
    changes += file.changes
    for (const [name, count] of file.authors) {
      const author = authors.get(name) ?? { name, changes: 0, files: 0 }
      author.changes += count
      author.files++
      authors.set(name, author)
    }
  }
  return {
    alive,
    files: files.size,
    changes,
    mostChanged: [...files].sort(([a, x], [b, y]) => y.changes - x.changes || byText(a, b)),
    authors: [...authors.values()].sort((a, b) => b.changes - a.changes || byText(a.name, b.name))
  }
}

const maxWidth = 60

/** Replaces characters that would garble a terminal, and shortens a long text to its end. */
const shown = (text: string): string => {
  const characters = [...text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?")]
  return characters.length <= maxWidth ? characters.join("") : `…${characters.slice(1 - maxWidth).join("")}`
}

const day = (time: FileState["first"]): string =>
  Option.match(time, { onNone: () => "", onSome: DateTime.formatIsoDateUtc })

const number = new Intl.NumberFormat("en")

const percent = (part: number, whole: number): string => `${Math.round(part / whole * 100)}%`

const table = (head: Array<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>): string => {
  const colAligns = head.map((_, column) => typeof rows[0]?.[column] === "number" ? "right" as const : "left" as const)
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } })
  table.push(...rows.map((row) => row.map((cell) => typeof cell === "number" ? number.format(cell) : cell)))
  return table.toString()
}

/** The `top` most changed files and most active authors. */
export const tables = ({ authors, changes, mostChanged }: Summary, top: number): string =>
  [
    "Most changed files",
    table(
      ["file", "changes", "main author", "first change", "last change"],
      mostChanged.slice(0, top).map(([id, file]) => {
        const [name, count] = mainAuthor(file)
        return [
          shown(FileId.display(id)) + (file.alive ? "" : " (deleted)"),
          file.changes,
          `${shown(name)} (${percent(count, file.changes)})`,
          day(file.first),
          day(file.last)
        ]
      })
    ),
    "Most active authors",
    table(
      ["author", "changes", "of all", "files"],
      authors.slice(0, top).map((author) => [
        shown(author.name),
        author.changes,
        percent(author.changes, changes),
        author.files
      ])
    )
  ].join("\n")
