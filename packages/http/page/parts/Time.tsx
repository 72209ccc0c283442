/**
 * Times: near ones by their distance, all exactly in the title.
 */
import { now } from "../data/clock.ts"
import { distance } from "../data/durations.ts"

/** A time and how long ago it was, by the clock of the server; it stands still in a pause. */
export const Ago = ({ time }: { readonly time: string }) => (
  <time dateTime={time} title={time} class="ago">{distance(Date.parse(time), now.value)}</time>
)

/** A time as it is written, in UTC; a column says so in its heading. */
export const At = ({ inColumn = false, time }: { readonly time: string; readonly inColumn?: boolean }) => (
  <time dateTime={time} title={time} class="at">
    {`${time.slice(0, 10)} ${time.slice(11, 23)}${inColumn ? "" : " UTC"}`}
  </time>
)
