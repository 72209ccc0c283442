/**
 * Tables without lines, in the width of the terminal.
 */
import { displayWidth } from "effect/cli/CliOutput"
import { type Cell, type Column, forTerminal, isNumeric } from "./cells.ts"

/** How wide the columns of a table are, and on which side their texts stand. */
export interface Layout {
  readonly widths: ReadonlyArray<number>
  readonly isRight: ReadonlyArray<boolean>
}

const gap = "  "

/** A wide column keeps at least this much, so that it says something. */
const leastWidth = 20

const cut = (text: string, width: number): string => {
  if (displayWidth(text) <= width) return text
  let kept = ""
  let used = 1
  for (const character of text) {
    used += displayWidth(character)
    if (used > width) break
    kept += character
  }
  return `${kept}…`
}

const pad = (text: string, width: number, isRight: boolean): string => {
  const spaces = " ".repeat(Math.max(0, width - displayWidth(text)))
  return isRight ? spaces + text : text + spaces
}

/** The cells of rows, as a person reads them. */
export const textsOf = <A>(columns: ReadonlyArray<Column<A>>, row: A): ReadonlyArray<string> =>
  columns.map(({ cell }) => forTerminal(cell(row)))

/** The layout of a table by its first rows. `width` is that of the terminal, 0 when it has none. */
export const layoutOf = <A>(columns: ReadonlyArray<Column<A>>, rows: ReadonlyArray<A>, width: number): Layout => {
  const texts = rows.map((row) => textsOf(columns, row))
  const widths = columns.map(({ title }, index) =>
    texts.reduce((most, row) => Math.max(most, displayWidth(row[index] ?? "")), displayWidth(title))
  )
  const total = widths.reduce((sum, one) => sum + one + gap.length, -gap.length)
  const cells = (column: Column<A>): ReadonlyArray<Cell> => rows.map(column.cell)
  return {
    widths: widths.map((one, index) =>
      columns[index]?.isWide === true && width > 0 && total > width ? Math.max(leastWidth, one - (total - width)) : one
    ),
    isRight: columns.map((column) => cells(column).some(isNumeric))
  }
}

/** A line of a table, without spaces at its end. */
export const lineOf = ({ isRight, widths }: Layout, texts: ReadonlyArray<string>): string =>
  texts.map((text, index) => {
    const width = widths[index] ?? 0
    return pad(cut(text, width), width, isRight[index] ?? false)
  }).join(gap).trimEnd()
