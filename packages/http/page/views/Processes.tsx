/**
 * The processes: how far each is, and what it waits for.
 */
import { address, hrefQuery } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import { get, pathOf } from "../data/client.ts"
import { now } from "../data/clock.ts"
import { duration } from "../data/durations.ts"
import { LagCell } from "../parts/Lag.tsx"
import { Mark, number, PositionLink, Text } from "../parts/Names.tsx"
import { OpenById } from "../parts/OpenById.tsx"
import { Empty, Loaded, NotLoaded } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import type { Params } from "./routes.ts"

/** When a deadline is due, by the clock of the server: a day and an hour, and how far that is. */
export const Due = ({ time }: { readonly time: string }) => {
  const left = Date.parse(time) - now.value
  return (
    <span class={left < 0 ? "badge bad" : "badge"} title={time}>
      {left < 0 ? `overdue by ${duration(-left)}` : `in ${duration(left)}`}
    </span>
  )
}

export const Processes = () => {
  const load = useAnswer(get("/processes"))
  return (
    <View title="Processes">
      <section class="panel" aria-label="Processes">
        <Loaded load={load}>
          {({ processes }) =>
            processes.length === 0
              ? <NotLoaded things="processes" />
              : (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Process</th>
                        <th scope="col" class="num">Lag</th>
                        <th scope="col" class="num">Deadlines</th>
                        <th scope="col" class="num">Overdue</th>
                        <th scope="col">Next</th>
                        <th scope="col" class="narrow-gone">Reads</th>
                      </tr>
                    </thead>
                    <tbody>
                      {processes.map(({ next: [first], overdue, pending, process, status }) => (
                        <tr key={process}>
                          <th scope="row">
                            <a class="name" data-row href={pathOf("/processes/:process", { process })}>
                              <Mark category={process} />
                              <Text>{process}</Text>
                            </a>
                          </th>
                          <td class="num">
                            <LagCell lag={status.lag} />
                          </td>
                          <td class="num">{number(pending)}</td>
                          <td class="num">
                            {overdue === 0
                              ? <span class="dim">none</span>
                              : <span class="badge bad">{number(overdue)}</span>}
                          </td>
                          <td>
                            {first === undefined ? <span class="dim">none</span> : (
                              <>
                                <a class="name" href={pathOf("/processes/:process/:id", { process, id: first.id })}>
                                  <Text>{first.id}</Text>
                                </a>{" "}
                                <Text>{first.name}</Text> <Due time={first.due} />
                              </>
                            )}
                          </td>
                          <td class="narrow-gone dim">
                            <Text>{status.consumers.map(({ category }) => category).join(", ")}</Text>
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
        </Loaded>
      </section>
    </View>
  )
}

const limit = 100

const Instances = ({ process }: { readonly process: string }) => {
  const state = address.value.query.get("state") === "overdue" ? "overdue" : "waiting"
  const load = useAnswer(get("/processes/:process/instances", { params: { process }, query: { state, limit } }))
  const tab = (name: typeof state) => (
    <a
      href={hrefQuery({ state: name === "waiting" ? undefined : name })}
      {...(state === name ? { "aria-current": "true" as const } : {})}
    >
      {name}
    </a>
  )
  return (
    <section class="panel" aria-label="What waits">
      <div class="title">
        <div class="tabs" role="group" aria-label="Which">
          {tab("waiting")}
          {tab("overdue")}
        </div>
        <OpenById
          label="Id"
          name={`Id of ${process}`}
          to={(id) => pathOf("/processes/:process/:id", { process, id })}
        />
      </div>
      <Loaded load={load}>
        {({ instances }) =>
          instances.length === 0
            ? (
              <Empty title={state === "overdue" ? "No deadline is past its time" : "Nothing waits for a deadline"}>
                What has no deadline is found by its id.
              </Empty>
            )
            : (
              <>
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Id</th>
                        <th scope="col" class="num">Deadlines</th>
                        <th scope="col">Next</th>
                        <th scope="col">Due</th>
                        <th scope="col" class="num narrow-gone">Set by</th>
                      </tr>
                    </thead>
                    <tbody>
                      {instances.map(({ id, next, pending }) => (
                        <tr key={id}>
                          <th scope="row">
                            <a class="name" data-row href={pathOf("/processes/:process/:id", { process, id })}>
                              <Text>{id}</Text>
                            </a>
                          </th>
                          <td class="num">{number(pending)}</td>
                          <td class="type">
                            <Text>{next.name}</Text>
                          </td>
                          <td class="fit">
                            <Due time={next.due} /> <At time={next.due} />
                          </td>
                          <td class="num narrow-gone">
                            <PositionLink position={next.set.globalPosition} />
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
                {instances.length < limit ? null : <p class="note">These are the first {limit}: there are more.</p>}
              </>
            )}
      </Loaded>
    </section>
  )
}

export const Process = ({ params: { process = "" } }: { readonly params: Params }) => {
  const load = useAnswer(get("/processes/:process", { params: { process } }))
  return (
    <View
      title={process}
      heading={
        <>
          <Mark category={process} />
          <Text>{process}</Text>
        </>
      }
      facts={load.value === undefined ? undefined : (
        <>
          <span>
            lag <LagCell lag={load.value.status.lag} />
          </span>
          <span>{number(load.value.pending)} deadlines pending</span>
          <span class={load.value.overdue === 0 ? "" : "badge bad"}>{number(load.value.overdue)} overdue</span>
          <span>
            <a href={pathOf("/consumers", {}, { of: process })}>its consumers</a>
          </span>
        </>
      )}
    >
      {load.problem === undefined || load.problem.type === "definition-not-loaded"
        ? null
        : (
          <section class="panel">
            <Loaded load={load}>{() => null}</Loaded>
          </section>
        )}
      <Instances process={process} />
    </View>
  )
}
