/**
 * The live tail: the last messages, and those that come. It follows them until one scrolls up.
 */
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks"
import { hrefQuery } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { RecordedMessage } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { isPaused, newInPause } from "../data/clock.ts"
import { type Connection, type Event, useFeed } from "../data/feed.ts"
import { number } from "../parts/Names.tsx"
import { Spark } from "../parts/Spark.tsx"
import { Empty, Failure, Loading } from "../parts/States.tsx"
import { filters, Head, Rows } from "./MessageRows.tsx"
import { add, caughtUp, empty, kept, type Tail as Shown } from "./sample.ts"

/** How many positions before the end it begins. */
const before = 100

/** How often the screen shows what came. */
const pulse = 250

/** A minute of rates, by the second. */
const seconds = 60

const isCaughtUpHeartbeat = (data: unknown): boolean =>
  typeof data === "object" && data !== null && "caughtUp" in data && data.caughtUp === true

const isMessage = (data: unknown): data is RecordedMessage =>
  typeof data === "object" && data !== null && "globalPosition" in data && typeof data.globalPosition === "number"

const says = (connection: Connection): string => {
  switch (connection._tag) {
    case "Closed":
      return ""
    case "Connecting":
      return "connecting"
    case "Open":
      return "connected"
    case "Broken":
      return `connection lost, tried ${
        connection.attempts === 1 ? "again" : `${connection.attempts} times`
      }; nothing is lost`
    case "Refused":
      return "refused"
  }
}

export const Tail = (
  { filters: form, order }: { readonly filters: ComponentChildren; readonly order: ComponentChildren }
) => {
  const end = useAnswer(get("/now"))
  const shown = useSignal<Shown<RecordedMessage>>(empty)
  const waiting = useRef<Array<RecordedMessage>>([])
  /** How many that waited were let go. */
  const cut = useRef(0)
  const held = useSignal(0)
  const rates = useSignal<ReadonlyArray<number>>([])
  const box = useRef<HTMLDivElement>(null)
  const follows = useSignal(true)

  // Where it begins is fixed, so that a later answer does not begin again. One that was kept may be old.
  const start = useRef<number | undefined>(undefined)
  start.current ??= end.value === undefined || end.isLoading ? undefined : Math.max(1, end.value.end - before + 1)
  const path = start.current === undefined ? undefined : pathOf("/live", {}, { from: start.current, ...filters() })

  const take = ({ data, event }: Event) => {
    // Once it has caught up, what comes is new.
    if (event === "heartbeat") isCaughtUp.current ||= isCaughtUpHeartbeat(data)
    if (event !== "message" || !isMessage(data)) return
    waiting.current.push(data)
    // What nobody looks at is counted, and only the newest of it is kept.
    if (waiting.current.length > 4 * kept) cut.current += waiting.current.splice(0, 2 * kept).length
    if (isPaused.value) newInPause.value += 1
    else if (!follows.value) held.value += 1
    if (isCaughtUp.current) came.current += 1
  }
  const came = useRef(0)
  const isCaughtUp = useRef(false)
  const connection = useFeed(path, take, { inPause: "keep" })
  const isCut = connection._tag === "Broken"
  useEffect(() => {
    // What was written meanwhile comes at once, and is not a rate.
    if (isCut) isCaughtUp.current = false
  }, [isCut])

  // The first messages were there before, and what has waited is shown as far as it is kept: neither is faster than a person.
  const isBehind = useRef(true)
  useEffect(() => {
    let ticks = 0
    let counted = 0
    let shownAt = performance.now()
    const timer = setInterval(() => {
      counted += came.current
      came.current = 0
      ticks += 1
      if (!isPaused.value && ticks % (1_000 / pulse) === 0) {
        rates.value = [...rates.value, counted].slice(-seconds)
        counted = 0
      }
      const since = performance.now() - shownAt
      shownAt += since
      if (isPaused.value || !follows.value) {
        isBehind.current = true
        return
      }
      const [messages, left] = [waiting.current, cut.current]
      waiting.current = []
      cut.current = 0
      shown.value = isBehind.current || !isCaughtUp.current
        ? caughtUp(shown.value, messages)
        : add(shown.value, messages, since, left)
      // The messages before the heartbeat have come with it.
      isBehind.current = !isCaughtUp.current
    }, pulse)
    return () => clearInterval(timer)
  }, [shown, rates, follows])

  useLayoutEffect(() => {
    const element = box.current
    if (element !== null && follows.value) element.scrollTop = element.scrollHeight
  }, [shown.value.messages, follows.value])

  const catchUp = () => {
    follows.value = true
    held.value = 0
  }

  const { messages, oneIn } = shown.value
  const rows = useMemo(() => <Rows messages={messages} />, [messages])
  return (
    <section class="panel tail" aria-label="Live tail">
      <div class="title">{form}{order}</div>
      <div class="note rate">
        <Spark
          values={[...Array.from({ length: seconds - rates.value.length }, () => null), ...rates.value]}
          label="messages a second, over the last minute"
        />
        <span class="mono">{number(rates.value.at(-1) ?? 0)}/s</span>
        <span role="status">
          {oneIn > 1 ? `a sample: 1 in ${number(oneIn)}` : ""} {isPaused.value ? "paused" : says(connection)}
        </span>
        {start.current === undefined || start.current <= 1 ?
          null :
          <a class="before" href={hrefQuery({ from: Math.max(1, start.current - before) })}>what was before</a>}
      </div>
      {connection._tag === "Refused" ? <Failure problem={connection.problem} /> : null}
      {end.problem === undefined ? null : <Failure problem={end.problem} retry={end.reload} />}
      <div
        ref={box}
        class="window"
        tabIndex={0}
        role="log"
        aria-label="Messages"
        aria-live="off"
        onScroll={(event) => {
          const { clientHeight, scrollHeight, scrollTop } = event.currentTarget
          const isAtEnd = scrollHeight - scrollTop - clientHeight < 24
          if (isAtEnd && !follows.value) catchUp()
          else if (!isAtEnd) follows.value = false
        }}
      >
        {messages.length === 0
          ? connection._tag === "Open"
            ? (
              <Empty title="Nothing yet">
                {filters().category === undefined && filters().type === undefined
                  ? "Messages appear here as they are written."
                  : `None of the last ${before} messages passes the filter. Others appear as they are written.`}
              </Empty>
            )
            : <Loading lines={12} />
          : (
            <table>
              <Head />
              <tbody>{rows}</tbody>
            </table>
          )}
      </div>
      {follows.value ?
        null :
        (
          <button
            type="button"
            class="newer first"
            onClick={catchUp}
            aria-keyshortcuts="b"
            data-does="back to the newest"
          >
            {held.value === 0 ? "To the newest" : `${number(held.value)} new`} <span aria-hidden="true">▾</span>
          </button>
        )}
    </section>
  )
}
