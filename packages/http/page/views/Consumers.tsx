/**
 * The consumers: where each runs, how far it is, and what waits for it.
 */
import type { ComponentChildren } from "preact"
import { address } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { LagCell } from "../parts/Lag.tsx"
import { counted, Mark, number, PositionLink, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { Ago } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"

export type Consumer = Answer<"GET", "/consumers/:consumer">

export type Runner = Answer<"GET", "/runners">["runners"][number]

export type Run = Runner["runs"][number]

/** How far a consumer is behind: by its definition, or else by its positions. */
export const lagOf = ({ status, stored }: Consumer) => {
  if (status !== null) return { lag: status.lag, isExact: true }
  const ages = stored.map(({ behind }) => behind.positions === 0 ? 0 : behind.age)
  const known = ages.filter((age) => age !== null)
  return {
    lag: {
      messages: Math.max(0, ...stored.map(({ behind }) => behind.positions)),
      age: known.length < ages.length || known.length === 0 ? null : Math.max(...known)
    },
    isExact: false
  }
}

/** The lowest position of its members; nothing when it has never written one. */
export const positionOf = ({ status, stored }: Consumer): number | undefined => {
  const positions = status === null
    ? stored.map(({ position }) => position)
    : status.members.flatMap(({ position }) => position === null ? [] : [position])
  return positions.length === 0 ? undefined : Math.min(...positions)
}

/** Where a consumer or read model runs, and what it does there. */
export const runsOf = (
  runners: ReadonlyArray<Runner> | undefined,
  kind: Run["kind"],
  id: string,
  category?: string
): ReadonlyArray<{ readonly run: Run; readonly runner: Runner }> =>
  (runners ?? []).flatMap((runner) =>
    runner.runs.filter((run) =>
      run.kind === kind && run.id === id && (category === undefined || run.category === category)
    )
      .map((run) => ({ run, runner }))
  )

/** What holds a reader back: as it tells itself where it runs, because the store looks no further than the messages that come next. */
export const heldBackOf = (
  runs: ReturnType<typeof runsOf>,
  status: Pick<Status, "heldBack"> | null | undefined
): Status["heldBack"] =>
  runs.find(({ run }) => run.status.heldBack !== null)?.run.status.heldBack ?? status?.heldBack ?? null

/** The machine and the process. */
export const Place = ({ runner: { host, isStale, pid } }: { readonly runner: Runner }) => (
  <span class={isStale ? "badge bad" : ""} title={isStale ? "silent for more than 30 seconds" : undefined}>
    <Text>{[host ?? "this program", ...(pid === undefined ? [] : [`pid ${pid}`])].join(" ")}</Text>
  </span>
)

type Status = Run["status"]

/** The programs that run something right now: what each tells of it, and the messages that it retries. */
export const RightNow = ({ facts, runs, stuck }: {
  readonly runs: ReturnType<typeof runsOf>
  readonly facts: (status: Status) => ComponentChildren
  readonly stuck: (one: Status["stuck"][number]) => ComponentChildren
}) => (
  <section class="panel" aria-label="Right now">
    <div class="title">
      <h2>Right now</h2>
    </div>
    {runs.length === 0
      ? <div class="body dim">No program runs it that has told so.</div>
      : runs.map(({ run: { since, status }, runner }) => (
        <div class="body" key={runner.id}>
          <dl class="dl">
            <dt>Runs on</dt>
            <dd>
              <Place runner={runner} /> since <Ago time={since} />
              {status.isActive ? "" : ", standing by"}
            </dd>
            {facts(status)}
          </dl>
          {status.stuck.map((one) => (
            <p key={one.message.globalPosition} class="fact">
              <span class="badge warn">retrying</span>
              {stuck(one)}
            </p>
          ))}
        </div>
      ))}
  </section>
)

const Row = ({ consumer: one, runners }: { readonly consumer: Consumer; readonly runners: ReadonlyArray<Runner> }) => {
  const { category, consumer, parked } = one
  const runs = runsOf(runners, "consumer", consumer, category)
  const active = runs.filter(({ run }) => run.status.isActive)
  const stuck = active.reduce((sum, { run }) => sum + run.status.stuck.length, 0)
  const { isExact, lag } = lagOf(one)
  const position = positionOf(one)
  return (
    <tr>
      <th scope="row">
        <a class="name" data-row href={pathOf("/consumers/:consumer", { consumer }, { category })}>
          <Text>{consumer}</Text>
        </a>
      </th>
      <td class="name">
        <Mark category={category} />
        <Text>{category}</Text>
      </td>
      <td>
        {active[0] === undefined
          ? <span class="badge">{runs.length === 0 ? "not running" : "stands by"}</span>
          : <Place runner={active[0].runner} />}
      </td>
      <td class="num">
        {position === undefined || position === 0 ? <span class="dim">–</span> : <PositionLink position={position} />}
      </td>
      <td class="num">
        <LagCell lag={lag} isExact={isExact} />
      </td>
      <td class="num narrow-gone">{active.reduce((sum, { run }) => sum + run.status.inFlight, 0)}</td>
      <td class="num narrow-gone">
        {stuck === 0 ? <span class="dim">none</span> : <span class="badge warn">{stuck}</span>}
      </td>
      <td class="num">
        {parked === null ?
          <span class="dim">none</span> :
          (
            <a class="badge warn" href={pathOf("/consumers/:consumer", { consumer }, { category })}>
              {counted(parked.messages, "message")} in {counted(parked.streams, "stream")}
            </a>
          )}
      </td>
    </tr>
  )
}

export const Consumers = () => {
  const load = useAnswer(get("/consumers"))
  const runners = useAnswer(get("/runners"))
  const of = address.value.query.get("of")
  return (
    <View title={of === null ? "Consumers" : `Consumers of ${of}`}>
      <section class="panel" aria-label="Consumers">
        <Loaded load={load}>
          {({ consumers }) => {
            const shown = consumers.filter(({ consumer }) => of === null || consumer === of)
            return shown.length === 0
              ? (
                <Empty title="No consumers">
                  None is loaded here, and none has written a position in a category that you may read.
                </Empty>
              )
              : (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Consumer</th>
                        <th scope="col">Reads</th>
                        <th scope="col">Runs on</th>
                        <th scope="col" class="num">Position</th>
                        <th scope="col" class="num">Lag</th>
                        <th scope="col" class="num narrow-gone">In flight</th>
                        <th scope="col" class="num narrow-gone">Retrying</th>
                        <th scope="col" class="num">Parked</th>
                      </tr>
                    </thead>
                    <tbody>
                      {shown.map((one) => (
                        <Row
                          key={`${one.consumer} ${one.category}`}
                          consumer={one}
                          runners={runners.value?.runners ?? []}
                        />
                      ))}
                    </tbody>
                  </table>
                </div>
              )
          }}
        </Loaded>
        {of === null || load.value === undefined ? null : (
          <div class="foot">
            <a class="button small" href={pathOf("/consumers")}>All consumers</a>
            <span class="dim">{number(load.value.consumers.length)} in all</span>
          </div>
        )}
      </section>
    </View>
  )
}
