/**
 * The commands that list what a store has.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CategorySummary, StreamSummary } from "eventfold/Listing"
import { MessageStore } from "eventfold/MessageStore"
import * as Stores from "../connection/stores.ts"
import * as Print from "../output/print.ts"
import { shown, tell } from "../output/terminal.ts"

const listing = {
  prefix: Flag.String("prefix").pipe(Flag.optional, Flag.withDescription("Only names that begin with this text")),
  after: Flag.String("after").pipe(
    Flag.optional,
    Flag.withDescription("Only names after this one: where the page before has ended")
  ),
  limit: Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDescription("How many names at most"),
    Flag.withDefault(100)
  )
}

/** How many names are read at once: a long list needs no more memory than that. */
const pageSize = 1_000

interface Asked {
  readonly after: string | undefined
  readonly limit: number
}

interface Page<A> {
  readonly rows: ReadonlyArray<A>
  readonly next: Option.Option<string>
}

/** Prints a list page by page, and tells a person how to see more. */
const printPages = Effect.fnUntraced(function*<A, E, R>(
  { after, limit }: { readonly after: Option.Option<string>; readonly limit: number },
  read: (page: Asked) => Effect.Effect<Page<A>, E, R>,
  options: Print.RowsOptions<A>
) {
  let more = Option.none<string>()
  const pages = Stream.paginate(
    { after: Option.getOrUndefined(after), left: limit },
    ({ after, left }) =>
      Effect.map(read({ after, limit: Math.min(left, pageSize) }), ({ next, rows }) => {
        more = next
        const rest = left - rows.length
        const following = rest > 0 ? Option.map(next, (after) => ({ after, left: rest })) : Option.none()
        return [rows, following] as const
      })
  )
  yield* Print.rows(pages, options)
  if (Option.isSome(more) && (yield* Print.isTable)) yield* tell(`there are more: --after '${shown(more.value)}'`)
})

/** The categories of a store. */
export const categories = Command.make("categories", listing, ({ after, limit, prefix }) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const read = (page: Asked) =>
      Effect.map(
        store.categories({ ...page, prefix: Option.getOrUndefined(prefix) }),
        ({ categories, next }) => ({ rows: categories, next })
      )
    yield* printPages({ after, limit }, read, {
      schema: CategorySummary,
      columns: [
        { title: "category", cell: ({ category }) => category },
        { title: "messages", cell: ({ size }) => Option.map(size, ({ messages }) => messages) },
        { title: "last type", cell: ({ last }) => last.type },
        { title: "last", cell: ({ last }) => last.time }
      ],
      none: "no category has a message"
    })
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription(
      "Lists the categories by name, each with about how many messages it has, and its last one"
    ),
    Command.withShortDescription("List the categories"),
    Command.withExamples([
      { command: "eventfold categories", description: "The first hundred" },
      { command: "eventfold categories --prefix acc", description: "Those that begin with acc" }
    ])
  )

/** The streams of a category, or of all. */
export const streams = Command.make("streams", {
  category: Argument.String("category").pipe(
    Argument.optional,
    Argument.withDescription("The category; those of all categories without one")
  ),
  ...listing
}, ({ after, category, limit, prefix }) =>
  Effect.gen(function*() {
    const store = yield* MessageStore
    const [ofCategory, withPrefix] = [Option.getOrUndefined(category), Option.getOrUndefined(prefix)]
    const read = (page: Asked) =>
      Effect.map(
        store.streams({ ...page, category: ofCategory, prefix: withPrefix }),
        ({ next, streams }) => ({ rows: streams, next })
      )
    yield* printPages({ after, limit }, read, {
      schema: StreamSummary,
      columns: [
        { title: "stream", cell: ({ streamName }) => streamName },
        { title: "version", cell: ({ version }) => version },
        { title: "last type", cell: ({ last }) => last.type },
        { title: "last", cell: ({ last }) => last.time }
      ],
      none: "no stream has a message"
    })
  }).pipe(Effect.provide(Stores.messageStore()))).pipe(
    Command.withDescription("Lists the streams by name, each with its version and its last message"),
    Command.withShortDescription("List the streams"),
    Command.withExamples([
      { command: "eventfold streams account", description: "The streams of a category" },
      { command: "eventfold streams account --prefix account-12", description: "Those that begin with account-12" }
    ])
  )
