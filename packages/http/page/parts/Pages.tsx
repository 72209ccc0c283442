/**
 * The end of a page of a list: where it goes on, and no total.
 */
import { hrefQuery } from "../data/address.ts"

/** Links to the first page and to the next one; nothing when this one is all. */
export const Pages = ({ after, next }: {
  readonly after: string | number | undefined
  readonly next: string | number | undefined
}) =>
  after === undefined && next === undefined ? null : (
    <div class="foot">
      {after === undefined ? null : <a class="button small" href={hrefQuery({ after: undefined })}>First page</a>}
      {next === undefined
        ? <span class="dim">the end</span>
        : <a class="button small grow" aria-keyshortcuts="n" href={hrefQuery({ after: next })}>Next page</a>}
    </div>
  )
