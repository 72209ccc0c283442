/**
 * What happens right now: what needs attention first, then how far each reader is.
 */
import { useSignal } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { useAnswer } from "../data/answers.ts"
import { get } from "../data/client.ts"
import { isPaused, now as clock } from "../data/clock.ts"
import { distance, duration } from "../data/durations.ts"
import { type Event, useFeed } from "../data/feed.ts"
import { counted, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Spark } from "../parts/Spark.tsx"
import { Empty, Failure, Loading } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import { AttentionRow, ErrorRow, keyOf, type NowAnswer, type Reader, ReaderLink } from "./Attention.tsx"
import { type History, historyOf, joined, keyOfReader, ratesOf } from "./history.ts"

const isNow = (data: unknown): data is NowAnswer =>
  typeof data === "object" && data !== null && "attention" in data && "readers" in data

const Lag = ({ lag }: { readonly lag: Reader["lag"] }) =>
  lag.messages === 0 ? <span class="dim">0</span> : (
    <>
      {lag.isExact ? "" : "≤ "}
      {number(lag.messages)}
      {lag.age === null ? null : <span class="dim beside">{duration(lag.age)}</span>}
    </>
  )

const minutes = 15

const ReaderRow = ({ history, reader }: { readonly reader: Reader; readonly history: History }) => {
  const ages = history.ages.get(keyOfReader(reader)) ?? []
  const worst = Math.max(0, ...ages.map((age) => age ?? 0))
  return (
    <tr>
      <th scope="row">
        <ReaderLink isRow kind={reader.kind} reader={reader.reader} />
      </th>
      <td class="fit dim">{reader.kind}</td>
      <td class="dim narrow-gone">
        {reader.category === "$all" || reader.kind !== "consumer" ? "" : <Text>{reader.category}</Text>}
      </td>
      <td class="num">
        <Lag lag={reader.lag} />
      </td>
      <td class="fit narrow-gone" title={`at most ${duration(worst)} behind in the last ${minutes} minutes`}>
        <Spark values={ages} width={90} label={`lag over ${minutes} minutes, at most ${duration(worst)}`} />
      </td>
      <td class="num">{reader.rate === null ? "" : `${number(Math.round(reader.rate * 10) / 10)}/s`}</td>
      <td class="num">{reader.inFlight === 0 ? <span class="dim">0</span> : number(reader.inFlight)}</td>
      <td class="num">
        {reader.parked === 0 ? <span class="dim">0</span> : <span class="badge warn">{number(reader.parked)}</span>}
      </td>
      <td class="clip dim narrow-gone">
        {reader.isRunning ? reader.runsOn ?? "runs" : <span class="badge bad">does not run</span>}
      </td>
    </tr>
  )
}

const Readers = ({ history, readers }: { readonly readers: ReadonlyArray<Reader>; readonly history: History }) => (
  <section class="panel" aria-label="Readers">
    <div class="title">
      <h2>Readers</h2>
      <span class="dim">consumers, processes and read models</span>
    </div>
    {readers.length === 0
      ? <Empty title="No readers">None has a position in the store, and no program tells that it runs one.</Empty>
      : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Kind</th>
                <th scope="col" class="narrow-gone">Category</th>
                <th scope="col" class="num">Behind</th>
                <th scope="col" class="narrow-gone">{minutes} minutes</th>
                <th scope="col" class="num">Rate</th>
                <th scope="col" class="num">In flight</th>
                <th scope="col" class="num">Parked</th>
                <th scope="col" class="narrow-gone">Runs on</th>
              </tr>
            </thead>
            <tbody>
              {readers.toSorted((a, b) => keyOfReader(a) < keyOfReader(b) ? -1 : 1).map((reader) => (
                <ReaderRow key={keyOfReader(reader)} reader={reader} history={history} />
              ))}
            </tbody>
          </table>
        </div>
      )}
  </section>
)

const Numbers = (
  { history, value: { end, newest, rate, readers } }: { readonly value: NowAnswer; readonly history: History }
) => {
  const known = readers.flatMap(({ lag: { age } }) => age === null ? [] : [age])
  return (
    <dl class="numbers">
      <div>
        <dt>Written</dt>
        <dd>
          {rate === null ? "…" : `${number(Math.round(rate * 60))} /min`}
          <Spark values={ratesOf(history)} label="messages written, over the last minutes" />
        </dd>
      </div>
      <div>
        <dt>Last message</dt>
        <dd>
          {newest === null ? `#${number(end)}` : <PositionLink position={newest.message.globalPosition} />}
          {newest === null ? null : <span class="dim">{distance(Date.parse(newest.message.time), clock.value)}</span>}
        </dd>
        {newest === null ? null : (
          <dd class="small">
            <Text>{newest.message.type}</Text> in <StreamLink name={newest.message.streamName} />
          </dd>
        )}
      </div>
      <div>
        <dt>Oldest message not handled</dt>
        <dd>{known.length === 0 ? "unknown" : Math.max(...known) === 0 ? "none" : duration(Math.max(...known))}</dd>
        <dd class="small">
          {counted(readers.filter(({ isRunning }) => isRunning).length, "reader")} of {readers.length} running
        </dd>
      </div>
    </dl>
  )
}

const Shown = ({ history, value }: { readonly value: NowAnswer; readonly history: History }) => {
  // What is under the pointer stays where it is: what comes and goes meanwhile waits.
  const isHeld = useSignal(false)
  const shown = useRef(value)
  if (!isHeld.value) shown.current = value
  const attention = isHeld.value
    ? shown.current.attention.map((one) => value.attention.find((other) => keyOf(other) === keyOf(one)) ?? one)
    : value.attention
  const isOther = attention.map(keyOf).join() !== value.attention.map(keyOf).join()
  const errors = isHeld.value ? shown.current.errors : value.errors
  return (
    <div
      class="stack"
      onPointerEnter={() => {
        isHeld.value = true
      }}
      onPointerLeave={() => {
        isHeld.value = false
      }}
    >
      <Numbers value={value} history={history} />
      <section class="panel" aria-label="Needs attention">
        <div class="title">
          <h2>Needs attention</h2>
          <span class="dim" role="status">
            {value.attention.length === 0 ? "" : counted(value.attention.length, "thing")}
            {isOther ? "; the list is another by now, and changes when the pointer leaves it" : ""}
          </span>
        </div>
        {attention.length === 0
          ? (
            <p class="note well">
              <span aria-hidden="true">✔</span> All well: nothing is stopped, held back, parked or overdue.
            </p>
          )
          : <ul class="attentions">{attention.map((one) => <AttentionRow key={keyOf(one)} one={one} />)}</ul>}
      </section>
      <Readers readers={value.readers} history={history} />
      {errors.length === 0 ? null : (
        <section class="panel" aria-label="Recent errors">
          <div class="title">
            <h2>Recent errors</h2>
          </div>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">Reader</th>
                  <th scope="col" class="num">Message</th>
                  <th scope="col" class="narrow-gone">Stream</th>
                  <th scope="col">State</th>
                  <th scope="col">Error</th>
                </tr>
              </thead>
              <tbody>
                {errors.map((error) => (
                  <ErrorRow key={`${error.reader} ${error.globalPosition} ${error.time}`} error={error} />
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </div>
  )
}

export const Now = () => {
  const first = useAnswer(get("/now"))
  const before = useAnswer(get("/now/history"))
  const latest = useSignal<NowAnswer | undefined>(undefined)
  const away = useSignal<string | undefined>(undefined)
  const history = useSignal<History>(historyOf(undefined))
  const told = before.value
  useEffect(() => {
    if (told !== undefined) history.value = historyOf(told)
  }, [told, history])
  const take = ({ data, event }: Event) => {
    if (event === "away") away.value = "The store is away: these are its last answers."
    if (event !== "now" || !isNow(data)) return
    away.value = undefined
    latest.value = data
    history.value = joined(history.value, data, minutes * 60)
  }
  const connection = useFeed("now/feed", take)
  const value = latest.value ?? first.value
  const trouble = connection._tag === "Broken" ? "The connection is lost; it is tried again." : away.value
  return (
    <View
      title="Now"
      facts={
        <span role="status" class={trouble === undefined ? "" : "trouble"}>
          {isPaused.value ? "paused" : trouble ?? "each second"}
        </span>
      }
    >
      {connection._tag === "Refused" ? <Failure problem={connection.problem} /> : null}
      {first.problem === undefined || value !== undefined
        ? null
        : <Failure problem={first.problem} retry={first.reload} />}
      {value === undefined
        ? first.problem === undefined ? <Loading /> : null
        : <Shown value={value} history={history.value} />}
    </View>
  )
}
