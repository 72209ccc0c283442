/**
 * The state of an entity at a version, what it was before, and the message that made the difference.
 */
import { useSignal } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { address, go, goQuery, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf, type Problem } from "../data/client.ts"
import { isPaused } from "../data/clock.ts"
import { type Change, changesOf } from "../data/difference.ts"
import { field } from "../data/exact.ts"
import { JsonLine, JsonView } from "../parts/JsonView.tsx"
import { causePosition, causeStream } from "../parts/metadata.ts"
import { categoryOf, counted, Mark, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Failure, Loading } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import type { Params } from "./routes.ts"

type State = Answer<"GET", "/entities/:entity/:id">

/** How long a version is shown while one plays, in milliseconds. */
const stepMillis = 700

const signs = { added: "+", removed: "−", changed: "~" } as const

const kindOf = ({ after, before }: Change): keyof typeof signs =>
  before === undefined ? "added" : after === undefined ? "removed" : "changed"

const Changes = ({ changes }: { readonly changes: ReadonlyArray<Change> }) => (
  <div class="scroll">
    <table class="changes">
      <thead>
        <tr>
          <th scope="col" class="sign">
            <span class="unseen">What happened to it</span>
          </th>
          <th scope="col">Part</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => {
          const kind = kindOf(change)
          const path = change.path.join(".")
          return (
            <tr key={path} class={kind}>
              <td class="sign">
                <span aria-hidden="true">{signs[kind]}</span>
                <span class="unseen">{kind}</span>
              </td>
              <th scope="row">
                <Text>{path === "" ? "the state" : path}</Text>
              </th>
              <td class="old">{change.before === undefined ? null : <JsonLine value={change.before} />}</td>
              <td class="new">{change.after === undefined ? null : <JsonLine value={change.after} />}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  </div>
)

/** The message that made the difference, and what it follows from. */
const Decisive = ({ state: { compared, decisive, version } }: { readonly state: State }) => {
  if (compared === null) return null
  if (decisive === null) {
    return (
      <p class="decisive dim">
        {compared.version === version
          ? "The same version twice"
          : "Nothing between the two versions has changed the state"}
      </p>
    )
  }
  const [position, streamName] = [causePosition, causeStream].map((key) => field(decisive.metadata, key))
  return (
    <p class="decisive">
      <span class="dim">by</span>
      <a
        class="type"
        aria-keyshortcuts="m"
        data-does="to the message that made the difference"
        href={pathOf("/messages/:position", { position: decisive.globalPosition })}
      >
        <Text>{decisive.type}</Text>
      </a>
      <JsonLine value={decisive.data} />
      <span class="dim">
        at {number(decisive.position)}, <At time={decisive.time} />
      </span>
      {typeof streamName === "string" && typeof position === "number"
        ? (
          <span>
            <span class="dim">cause</span> <StreamLink name={streamName} /> <PositionLink position={position} />
          </span>
        )
        : null}
    </p>
  )
}

type Shown = "after" | "before" | "diff"

const shownOf = (text: string | null): Shown => text === "after" || text === "before" ? text : "diff"

const Body = ({ state }: { readonly state: State }) => {
  const { compared, version } = state
  const shown = compared === null ? "after" : shownOf(address.value.query.get("show"))
  const [earlier, later] = compared === null || (compared.version ?? -1) <= (version ?? -1)
    ? [compared?.state ?? null, state.state]
    : [state.state, compared.state]
  const changes = compared === null ? [] : changesOf(earlier, later)
  const tab = (name: Shown, label: string) => (
    <a
      href={hrefQuery({ show: name === "diff" ? undefined : name })}
      {...(shown === name ? { "aria-current": "true" as const } : {})}
    >
      {label}
    </a>
  )
  return (
    <section class="panel" aria-label="State">
      <div class="title">
        <h2>State</h2>
        {compared === null ? null : (
          <div class="tabs" role="group" aria-label="Show">
            {tab("before", "before")}
            {tab("after", "after")}
            {tab("diff", "difference")}
          </div>
        )}
      </div>
      <Decisive state={state} />
      {shown === "diff"
        ? changes.length === 0
          ? (
            <div class="body">
              <JsonView value={later} />
            </div>
          )
          : <Changes changes={changes} />
        : (
          <div class="body">
            <JsonView value={shown === "after" ? later : earlier} />
          </div>
        )}
    </section>
  )
}

/** Goes through the versions: by the slider, step by step, or by itself. */
const Versions = (
  { at, cmp, last }: { readonly at: number; readonly cmp: number | undefined; readonly last: number }
) => {
  const isPlaying = useSignal(false)
  const to = (version: number) =>
    goQuery({ at: Math.min(last, Math.max(0, version)), time: undefined }, { replace: true })
  const next = useRef(() => {})
  next.current = () => {
    if (at >= last) isPlaying.value = false
    else to(at + 1)
  }
  const runs = isPlaying.value && !isPaused.value
  useEffect(() => {
    if (!runs) return undefined
    const timer = setInterval(() => next.current(), stepMillis)
    return () => clearInterval(timer)
  }, [runs])
  return (
    <div class="versions">
      <button
        type="button"
        aria-label="Version before"
        aria-keyshortcuts="["
        disabled={at <= 0}
        onClick={() => to(at - 1)}
      >
        ◂
      </button>
      <input
        type="range"
        min={0}
        max={last}
        value={at}
        aria-label="Version"
        onInput={(event) => to(event.currentTarget.valueAsNumber)}
      />
      <button
        type="button"
        aria-label="Next version"
        aria-keyshortcuts="]"
        disabled={at >= last}
        onClick={() => to(at + 1)}
      >
        ▸
      </button>
      <span class="at-of" role="status">
        {number(at)} of {number(last)}
      </span>
      <button
        type="button"
        aria-keyshortcuts="p"
        data-does="go through the versions"
        onClick={() => {
          if (!isPlaying.value && at >= last) to(0)
          isPlaying.value = !isPlaying.value
        }}
      >
        {isPlaying.value ? "Stop" : "Play"}
      </button>
      <label>
        held against
        <input
          type="number"
          min={0}
          max={last}
          value={cmp ?? ""}
          placeholder={at === 0 ? "none" : String(at - 1)}
          aria-label="Version to compare with"
          onChange={(event) => goQuery({ cmp: event.currentTarget.value })}
        />
      </label>
    </div>
  )
}

/** The state as it was at a time, by the clock of UTC. */
const AtTime = () => (
  <form
    class="filters"
    onSubmit={(event) => {
      event.preventDefault()
      const time = new FormData(event.currentTarget).get("time")
      if (typeof time === "string" && time !== "") {
        goQuery({ time: `${time.length === 16 ? `${time}:00` : time}Z`, at: undefined, cmp: undefined })
      }
    }}
  >
    <label>
      As it was, in UTC
      <input
        type="datetime-local"
        name="time"
        step={1}
        value={address.value.query.get("time")?.replace(/Z$/, "") ?? ""}
      />
    </label>
    <button type="submit" class="small">Show</button>
  </form>
)

/** The other entities of the same category, to choose from. */
const Chooser = ({ entity, id }: { readonly entity: string; readonly id: string }) => {
  const load = useAnswer(get("/entities"))
  const category = load.value?.entities.find((one) => one.entity === entity)?.category
  const others = load.value?.entities.filter((one) => one.category === category) ?? []
  return others.length < 2 ? null : (
    <label class="dim">
      as{" "}
      <select
        value={entity}
        onChange={(event) => go(pathOf("/entities/:entity/:id", { entity: event.currentTarget.value, id }))}
      >
        {others.map((one) => <option key={one.entity} value={one.entity}>{one.entity}</option>)}
      </select>
    </label>
  )
}

/** What keeps a state from being shown, and the last version that can be. */
const Unshown = ({ problem, retry }: { readonly problem: Problem; readonly retry: () => void }) => {
  const { globalPosition, position } = problem.fields
  return (
    <section class="panel">
      <Failure problem={problem} retry={retry} />
      {problem.type === "undecodable-message" && typeof position === "number" && typeof globalPosition === "number"
        ? (
          <p class="note">
            It is <PositionLink position={globalPosition} />. {position === 0
              ? "There is no version before it."
              : (
                <a href={hrefQuery({ at: position - 1, time: undefined, cmp: undefined })}>
                  Show the version before it
                </a>
              )}
          </p>
        )
        : null}
    </section>
  )
}

export const Entity = ({ params: { entity = "", id = "" } }: { readonly params: Params }) => {
  const given = numberOf("at")
  const time = given === undefined ? address.value.query.get("time") : null
  const cmp = numberOf("cmp")
  const first = useAnswer(
    given === undefined
      ? get("/entities/:entity/:id", { params: { entity, id }, query: time === null ? {} : { at: time } })
      : undefined
  )
  // Without a version it is the last one, which has one before it.
  const at = given ?? first.value?.version ?? undefined
  const compare = cmp ?? (at === undefined || at === 0 ? undefined : at - 1)
  const load = useAnswer(
    at === undefined || at === null
      ? undefined
      : get("/entities/:entity/:id", { params: { entity, id }, query: { at, compare } })
  )
  const state = load.value ?? first.value
  const problem = load.problem ?? first.problem
  const streamName = state?.streamName
  const last = state?.last ?? null
  return (
    <View
      title={streamName ?? id}
      heading={streamName === undefined ? <Text>{id}</Text> : (
        <>
          <Mark category={categoryOf(streamName)} />
          <Text>{streamName}</Text>
        </>
      )}
      facts={state === undefined ? undefined : (
        <>
          <Chooser entity={entity} id={id} />
          {last === null ? null : (
            <span>
              <a
                href={pathOf("/streams/:stream", { stream: state.streamName }, { at: at ?? undefined })}
                aria-keyshortcuts="s"
                data-does="to its stream"
              >
                {counted(last + 1, "message")}
              </a>
            </span>
          )}
          {state.message === null ? null : (
            <span>
              <At time={state.message.time} />
            </span>
          )}
        </>
      )}
      actions={<AtTime />}
    >
      {problem === undefined
        ? state === undefined
          ? (
            <section class="panel">
              <Loading />
            </section>
          )
          : last === null
          ? (
            <>
              <section class="panel">
                <p class="note">The stream has no messages: this is the state in the beginning.</p>
              </section>
              <Body state={state} />
            </>
          )
          : (
            <>
              <section class="panel" aria-label="Version">
                <Versions at={at ?? 0} cmp={cmp} last={last} />
              </section>
              <Body state={state} />
            </>
          )
        : <Unshown problem={problem} retry={() => (given === undefined ? first : load).reload()} />}
    </View>
  )
}
