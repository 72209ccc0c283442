/**
 * The categories, or the streams of one: by name, page by page, without a total.
 */
import { address, goQuery, hrefQuery } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { about, counted, Mark, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Pages } from "../parts/Pages.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { Ago } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"

const pageSize = 50

type Category = Answer<"GET", "/categories">["categories"][number]

/** Categories with a colon are the bookkeeping of another one, or its commands. */
const isBookkeeping = ({ category }: Category): boolean => category.includes(":")

const Size = ({ largest, size }: { readonly size: Category["size"]; readonly largest: number }) =>
  size === undefined ? <span class="dim">unknown</span> : (
    <>
      <span title={size.isExact ? `exactly ${number(size.messages)}` : `by statistics ${number(size.messages)}`}>
        {size.isExact ? number(size.messages) : about(size.messages)}
      </span>{" "}
      <span class="bar narrow-gone" aria-hidden="true">
        <span style={{ width: `${largest === 0 ? 0 : Math.max(2, 100 * size.messages / largest)}%` }} />
      </span>
    </>
  )

/** The cells of the last message of a stream: its type, its position and when it was written. */
export const LastCells = ({ last }: { readonly last: Category["last"] }) => (
  <>
    <td class="type clip">
      <Text>{last.type}</Text>
    </td>
    <td class="num">
      <PositionLink position={last.globalPosition} />
    </td>
    <td class="fit dim">
      <Ago time={last.time} />
    </td>
  </>
)

const CategoryRows = ({ categories, largest }: {
  readonly categories: ReadonlyArray<Category>
  readonly largest: number
}) => (
  <>
    {categories.map(({ category, last, size }) => (
      <tr key={category}>
        <th scope="row">
          <a class="name" data-row href={pathOf("/streams", {}, { category })}>
            <Mark category={category} />
            <Text>{category}</Text>
          </a>
        </th>
        <td class="num">
          <Size size={size} largest={largest} />
        </td>
        <td class="type clip">
          <Text>{last.type}</Text>
        </td>
        <td class="clip narrow-gone">
          <StreamLink name={last.streamName} />
        </td>
        <td class="num">
          <PositionLink position={last.globalPosition} />
        </td>
        <td class="fit dim">
          <Ago time={last.time} />
        </td>
      </tr>
    ))}
  </>
)

const CategoriesTable = ({ categories }: { readonly categories: ReadonlyArray<Category> }) => {
  const largest = Math.max(0, ...categories.map(({ size }) => size?.messages ?? 0))
  const [own, bookkeeping] = [categories.filter((one) => !isBookkeeping(one)), categories.filter(isBookkeeping)]
  const isOpen = address.value.query.get("all") === "true"
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Category</th>
            <th scope="col" class="num">Messages</th>
            <th scope="col">Last type</th>
            <th scope="col" class="narrow-gone">Last stream</th>
            <th scope="col" class="num">Position</th>
            <th scope="col">Written</th>
          </tr>
        </thead>
        <tbody>
          <CategoryRows categories={own} largest={largest} />
          {bookkeeping.length === 0 ? null : (
            <tr>
              <td colSpan={6}>
                <a data-row href={hrefQuery({ all: isOpen ? undefined : "true" })} aria-expanded={isOpen} role="button">
                  {isOpen ? "Fold" : "Show"} {counted(bookkeeping.length, "category", "categories")}{" "}
                  of bookkeeping and commands
                </a>
              </td>
            </tr>
          )}
          {isOpen ? <CategoryRows categories={bookkeeping} largest={largest} /> : null}
        </tbody>
      </table>
    </div>
  )
}

const Prefix = ({ label, start }: { readonly label: string; readonly start: string }) => (
  <form
    class="filters"
    onSubmit={(event) => {
      event.preventDefault()
      const given = new FormData(event.currentTarget).get("prefix")
      if (typeof given === "string") goQuery({ prefix: given === start ? undefined : given, after: undefined })
    }}
  >
    <label>
      {label}
      <input
        key={address.value.query.get("prefix") ?? start}
        name="prefix"
        class="mono"
        defaultValue={address.value.query.get("prefix") ?? start}
        spellcheck={false}
        autocomplete="off"
        aria-keyshortcuts="f"
        data-does={label.toLowerCase()}
      />
    </label>
    <button type="submit">Show</button>
  </form>
)

const Categories = () => {
  const { query } = address.value
  const after = query.get("after") ?? undefined
  const load = useAnswer(get("/categories", {
    query: { prefix: query.get("prefix") ?? undefined, after, limit: 200 }
  }))
  return (
    <View title="Streams" actions={<a class="button" href={pathOf("/attributes")}>With attributes</a>}>
      <section class="panel" aria-label="Categories">
        <div class="title">
          <Prefix label="Categories that begin with" start="" />
        </div>
        <Loaded load={load}>
          {({ categories, next }) =>
            categories.length === 0
              ? (
                <Empty title="No categories">
                  {query.has("prefix")
                    ? "None begins so."
                    : "The store has no messages that you may read. Append some, and they are here."}
                </Empty>
              )
              : (
                <>
                  <CategoriesTable categories={categories} />
                  <Pages after={after} next={next} />
                </>
              )}
        </Loaded>
      </section>
    </View>
  )
}

const OfCategory = ({ category }: { readonly category: string }) => {
  const { query } = address.value
  const after = query.get("after") ?? undefined
  const load = useAnswer(get("/categories/:category/streams", {
    params: { category },
    query: { prefix: query.get("prefix") ?? undefined, after, limit: pageSize }
  }))
  return (
    <View
      title={category}
      heading={
        <>
          <Mark category={category} />
          <Text>{category}</Text>
        </>
      }
      facts={<a href={pathOf("/streams")}>all categories</a>}
      actions={<a class="button" href={pathOf("/messages", {}, { category })}>Its messages</a>}
    >
      <section class="panel" aria-label="Streams">
        <div class="title">
          <Prefix label="Streams that begin with" start={`${category}-`} />
        </div>
        <Loaded load={load}>
          {({ next, streams }) =>
            streams.length === 0
              ? (
                <Empty title="No streams">
                  {query.has("prefix") ? "None begins so." : "The category has no messages that you may read."}
                </Empty>
              )
              : (
                <>
                  <div class="scroll">
                    <table>
                      <thead>
                        <tr>
                          <th scope="col">Stream</th>
                          <th scope="col" class="num" title="Its version and one">Messages</th>
                          <th scope="col">Last type</th>
                          <th scope="col" class="num">Position</th>
                          <th scope="col">Written</th>
                        </tr>
                      </thead>
                      <tbody>
                        {streams.map(({ last, streamName, version }) => (
                          <tr key={streamName}>
                            <th scope="row">
                              <a class="name" data-row href={pathOf("/streams/:streamName", { streamName })}>
                                <Text>{streamName}</Text>
                              </a>
                            </th>
                            <td class="num">{number(version + 1)}</td>
                            <LastCells last={last} />
                          </tr>
                        ))}
                      </tbody>
                    </table>
                  </div>
                  <Pages after={after} next={next} />
                </>
              )}
        </Loaded>
      </section>
    </View>
  )
}

export const Streams = () => {
  const category = address.value.query.get("category")
  if (category === null || category === "") return <Categories />
  return <OfCategory key={category} category={category} />
}
