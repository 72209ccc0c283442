import * as Option from "effect/Option"
import type { ListingBackend, NamesPage } from "../../Listing.ts"
import { placeOf } from "../../Message.ts"
import * as StreamName from "../../StreamName.ts"
import { type Contents, type Row, upTo } from "./memoryLog.ts"
import { isNoticeOfStream } from "./memoryStreams.ts"
import type { MemoryTransactions } from "./memoryTransactions.ts"

/** The names of a page that have rows, each with its rows, and the name to go on after. */
const namesOf = (
  lists: Contents["streams"],
  through: number,
  { after, limit, prefix }: NamesPage,
  isSelected: (name: string) => boolean = () => true
) => {
  const names = [...lists.keys()]
    .filter((name) =>
      name.startsWith(prefix) && (after === undefined || StreamName.Order(name, after) > 0) && isSelected(name)
    )
    .toSorted(StreamName.Order)
  const found: Array<{ readonly name: string; readonly rows: ReadonlyArray<Row>; readonly last: Row }> = []
  for (const name of names) {
    if (found.length === limit) break
    const rows = upTo(lists.get(name), through)
    const last = rows.at(-1)
    if (last !== undefined) found.push({ name, rows, last })
  }
  return { found, next: Option.fromUndefinedOr(found.length === limit ? found.at(-1)?.name : undefined) }
}

/** Lists the categories and streams of the memory store. */
export const make = ({ reading }: Pick<MemoryTransactions, "reading">): ListingBackend => ({
  categories: (page) =>
    reading((through, { categories }) => {
      const { found, next } = namesOf(categories, through, page)
      return {
        categories: found.map(({ last, name, rows }) => ({
          category: name,
          size: Option.some({ messages: rows.length, isExact: true }),
          last: placeOf(last)
        })),
        next
      }
    }),
  newest: (category, limit) =>
    reading((through, { categories }) =>
      upTo(categories.get(category), through).slice(-limit).toReversed().map((row) => ({
        place: placeOf(row),
        isEnd: isNoticeOfStream(row)
      }))
    ),
  streams: ({ category, ...page }) =>
    reading((through, { streams }) => {
      const { found, next } = namesOf(
        streams,
        through,
        page,
        (name) => category === undefined || StreamName.category(name) === category
      )
      return {
        streams: found.filter(({ last }) => !isNoticeOfStream(last)).map(({ last, name }) => ({
          streamName: name,
          version: last.position,
          last: placeOf(last)
        })),
        next
      }
    })
})
