/**
 * The read models: which build is in use, and how far each is.
 */
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { LagCell } from "../parts/Lag.tsx"
import { number, PositionLink, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import { Place, runsOf } from "./Consumers.tsx"

export type ReadModel = Answer<"GET", "/read-models/:readModel">

export type Build = ReadModel["stored"][number]["build"]

/** A build with how far it is behind: by the definition, or else by positions. */
export interface BuildLag {
  readonly build: Build
  readonly lag: { readonly messages: number; readonly age: number | null }
  readonly isExact: boolean
}

/** All builds, the newest first. */
export const buildsOf = ({ status, stored }: ReadModel): ReadonlyArray<BuildLag> => {
  const exact = new Map(status?.builds.map(({ lag, number }) => [number, lag]))
  return stored.map(({ behind, build }): BuildLag => {
    const lag = exact.get(build.number)
    return lag === undefined
      ? { build, lag: { messages: behind.positions, age: behind.age }, isExact: false }
      : { build, lag, isExact: true }
  }).toReversed()
}

const stateBadge = { live: "badge good", building: "badge warn", retired: "badge" } as const

const stateWords = { live: "in use", building: "building", retired: "kept" } as const

/** The state of a build in words. */
export const BuildState = ({ state }: { readonly state: Build["state"] }) => (
  <span class={stateBadge[state]}>{stateWords[state]}</span>
)

export const ReadModels = () => {
  const load = useAnswer(get("/read-models"))
  const runners = useAnswer(get("/runners"))
  return (
    <View title="Read models">
      <section class="panel" aria-label="Read models">
        <Loaded load={load}>
          {({ readModels }) =>
            readModels.length === 0
              ? <Empty title="No read models">None is loaded here, and the store has no build of one.</Empty>
              : (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Read model</th>
                        <th scope="col">In use</th>
                        <th scope="col">Runs on</th>
                        <th scope="col" class="num">Position</th>
                        <th scope="col" class="num">Lag</th>
                        <th scope="col">Others</th>
                      </tr>
                    </thead>
                    <tbody>
                      {readModels.map((model) => {
                        const builds = buildsOf(model)
                        const live = builds.find(({ build }) => build.state === "live")
                        const others = builds.filter((one) => one !== live)
                        const active = runsOf(runners.value?.runners, "read model", model.readModel).find(({ run }) =>
                          run.status.isActive
                        )
                        return (
                          <tr key={model.readModel}>
                            <th scope="row">
                              <a class="name" data-row href={pathOf("/read-models/:model", { model: model.readModel })}>
                                <Text>{model.readModel}</Text>
                              </a>
                            </th>
                            <td>
                              {live === undefined
                                ? <span class="dim">never ran</span>
                                : `version ${live.build.version}`}
                            </td>
                            <td>
                              {active === undefined
                                ? <span class="badge">not running</span>
                                : <Place runner={active.runner} />}
                            </td>
                            <td class="num">
                              {live === undefined || live.build.checkpoint.position === 0
                                ? <span class="dim">–</span>
                                : <PositionLink position={live.build.checkpoint.position} />}
                            </td>
                            <td class="num">
                              {live === undefined ? null : <LagCell lag={live.lag} isExact={live.isExact} />}
                            </td>
                            <td>
                              {others.map(({ build }) => (
                                <span key={build.number} class="fact">
                                  <span class="dim">#{number(build.number)} v{build.version}</span>
                                  <BuildState state={build.state} />
                                </span>
                              ))}
                            </td>
                          </tr>
                        )
                      })}
                    </tbody>
                  </table>
                </div>
              )}
        </Loaded>
      </section>
    </View>
  )
}
