/**
 * One read model: its builds, and what an administrator does to them. A rebuild runs as long as this view is open.
 */
import { useRef } from "preact/hooks"
import type { Progress as ProgressSchema } from "../../src/ReadersApi.ts"
import { useAnswer } from "../data/answers.ts"
import type { Json } from "../data/api.ts"
import { get, post, remove, type Request } from "../data/client.ts"
import { duration } from "../data/durations.ts"
import { type Run, useRun } from "../data/progress.ts"
import { whyNot } from "../data/sender.ts"
import { Action, WhyNot } from "../parts/Action.tsx"
import { HeldBackNote } from "../parts/HeldBack.tsx"
import { FailureLine, LagCell } from "../parts/Lag.tsx"
import { number, PositionLink, Text } from "../parts/Names.tsx"
import { Empty, Failure, Loaded } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import { heldBackOf, RightNow, runsOf } from "./Consumers.tsx"
import { type BuildLag, buildsOf, BuildState, type ReadModel as Seen } from "./ReadModels.tsx"
import type { Params } from "./routes.ts"

type Progress = Json<typeof ProgressSchema.Type>

/** What a rebuild has told last. */
interface Told {
  readonly title: string
  readonly progress: Progress | undefined
}

/** A progress that an event has: the API's own tests hold it against its schema. */
const progressOf = (data: unknown): Progress | undefined =>
  typeof data === "object" && data !== null && "handled" in data ? data as Progress : undefined

const ProgressPanel = ({ onStop, running: { isOver, problem, told: { progress, title } } }: {
  readonly running: Run<Told>
  readonly onStop: () => void
}) => {
  const part = progress === undefined || progress.of === 0 ? 0 : progress.handled / progress.of
  return (
    <section class="panel" aria-label="Progress">
      <div class="title">
        <h2>
          <Text>{title}</Text>
        </h2>
        {isOver
          ? <span class="dim">ended</span>
          : <button type="button" class="small" onClick={onStop}>Stop it</button>}
      </div>
      {progress === undefined
        ? problem === undefined ? <p class="note">It begins.</p> : null
        : (
          <div class="progress">
            <p role="status">
              {progress.phase === "switched"
                ? `Build ${progress.build} is in use.`
                : progress.phase === "built"
                ? `Build ${progress.build} has caught up, and waits for its switch.`
                : `Build ${progress.build}: ${number(progress.handled)} of ${number(progress.of)} messages, ${
                  number(Math.round(progress.rate))
                } a second${progress.remaining === null ? "" : `, ${duration(progress.remaining)} left`}`}
            </p>
            <progress
              max={1}
              value={progress.phase === "building" ? part : 1}
              aria-label={`${Math.round(100 * part)} %`}
            />
          </div>
        )}
      {problem === undefined ? null : <Failure problem={problem} />}
      {isOver
        ? null
        : (
          <p class="note">
            It runs as long as this view is open. What it has done stays, and the next one goes on from there.
          </p>
        )}
    </section>
  )
}

/** Runs a rebuild or a switch. */
const useRebuild = (onEnd: () => void) => {
  const { begin, run, stop } = useRun<Told>(onEnd)
  return {
    running: run,
    begin: (title: string, request: Request<unknown>) =>
      begin(
        request,
        { title, progress: undefined },
        (told, { data, event }) => event === "progress" ? { ...told, progress: progressOf(data) } : told
      ),
    stop
  }
}

/**
 * A dialog like that of other actions, whose answer is the progress. It gives the request to whoever runs it, and asks the API nothing
 * itself.
 */
const Starting = ({ children, fields, label, onStart, title, word }: {
  readonly label: string
  readonly title: string
  readonly word: string
  readonly children: string
  readonly fields?: (form: FormData) => void
  readonly onStart: (reason: string | undefined) => void
}) => (
  <Action
    label={label}
    title={title}
    reason="optional"
    word={word}
    send={(form, reason) => {
      fields?.(form)
      onStart(reason)
      // The dialog closes with a look at the server, which always has an answer.
      return get("/about")
    }}
    onDone={() => {}}
    onChanged={() => {}}
  >
    <p>{children}</p>
  </Action>
)

const BuildRow = ({ live, model, one: { build, isExact, lag }, onDone, onSwitch }: {
  readonly model: Seen
  readonly one: BuildLag
  readonly live: BuildLag | undefined
  readonly onDone: () => void
  readonly onSwitch: (title: string, request: Request<unknown>) => void
}) => {
  const { readModel } = model
  const { checkpoint, number: own, state } = build
  return (
    <tr>
      <th scope="row" class="num">#{number(own)}</th>
      <td>
        <BuildState state={state} />
      </td>
      <td class="num">{build.version}</td>
      <td class="num">
        {checkpoint.position === 0 ? "0" : <PositionLink isRow position={checkpoint.position} />}
      </td>
      <td class="num">
        <LagCell lag={lag} isExact={isExact} />
      </td>
      <td class="fit narrow-gone">
        <At inColumn time={build.createdAt} />
      </td>
      <td class="acts">
        {state === "live"
          ? (
            <Action
              label="Rewind"
              title={`Rewind ${readModel}`}
              reason="required"
              word={readModel}
              fields={
                <label>
                  Resume after position
                  <input type="number" name="to" min={0} max={checkpoint.position} required />
                </label>
              }
              send={(form, reason = "") => {
                const to = form.get("to")
                return typeof to === "string" && /^\d+$/.test(to)
                  ? post("/read-models/:readModel/rewind", {
                    params: { readModel },
                    body: { to: Number(to), expected: { number: own, position: checkpoint.position }, reason }
                  })
                  : undefined
              }}
              onDone={onDone}
              onChanged={onDone}
            >
              <p>
                Build {own}{" "}
                is at #{number(checkpoint.position)}. It handles the messages after that position again, and its tables
                stay as they are.
              </p>
            </Action>
          )
          : (
            <>
              {state === "building" && live !== undefined
                ? (
                  <Starting
                    label="Switch"
                    title={`Switch ${readModel} to build ${own}`}
                    word={readModel}
                    onStart={(reason) =>
                      onSwitch(
                        `Switch to build ${own}`,
                        post("/read-models/:readModel/switch", {
                          params: { readModel },
                          body: { expected: { number: own, state }, ...(reason === undefined ? {} : { reason }) }
                        })
                      )}
                  >
                    {`Build ${own} takes the place of build ${live.build.number}, once it has caught up.`}
                  </Starting>
                )
                : null}
              <Action
                label="Drop"
                title={`Drop build ${own} of ${readModel}`}
                reason="required"
                word={readModel}
                send={(_, reason = "") =>
                  remove("/read-models/:readModel/builds/:number", {
                    params: { readModel, number: own },
                    query: { state, position: checkpoint.position, reason }
                  })}
                onDone={onDone}
                onChanged={onDone}
              >
                <p>Build {own}, of version {build.version}, goes with its tables.</p>
              </Action>
            </>
          )}
      </td>
    </tr>
  )
}

/** Builds it again, beside the live build. */
const Rebuild = ({ builds, model, onStart }: {
  readonly model: Seen
  readonly builds: ReadonlyArray<BuildLag>
  readonly onStart: (title: string, request: Request<unknown>) => void
}) => {
  const { readModel } = model
  const chosen = useRef<{ readonly compare: boolean; readonly manual: boolean }>({ compare: false, manual: false })
  return (
    <Action
      label="Rebuild"
      title={`Rebuild ${readModel}`}
      reason="optional"
      word={readModel}
      fields={
        <fieldset>
          <legend>When it has caught up</legend>
          <label>
            <input type="checkbox" name="compare" value="same" /> switch only when it has the same rows
          </label>
          <label>
            <input type="checkbox" name="manual" value="manual" /> wait for a switch by hand
          </label>
        </fieldset>
      }
      send={(form, reason) => {
        chosen.current = { compare: form.has("compare"), manual: form.has("manual") }
        onStart(
          "Rebuild",
          post("/read-models/:readModel/rebuild", {
            params: { readModel },
            body: {
              expected: builds.map(({ build: { number, state } }) => ({ number, state })).toReversed(),
              ...(chosen.current.compare ? { compare: "same" as const } : {}),
              switch: chosen.current.manual ? "manual" as const : "when caught up" as const,
              ...(reason === undefined ? {} : { reason })
            }
          })
        )
        return get("/about")
      }}
      onDone={() => {}}
      onChanged={() => {}}
    >
      <p>A new build is filled beside the one in use, from the first message on, and takes its place.</p>
    </Action>
  )
}

const Accept = ({ live, model: { readModel }, onDone }: {
  readonly model: Seen
  readonly live: BuildLag
  readonly onDone: () => void
}) => (
  <Action
    label="Accept"
    title={`Accept the definition of ${readModel}`}
    reason="optional"
    word={readModel}
    send={(_, reason) =>
      post("/read-models/:readModel/accept", {
        params: { readModel },
        body: { expected: { number: live.build.number }, ...(reason === undefined ? {} : { reason }) }
      })}
    onDone={onDone}
    onChanged={onDone}
  >
    <p>
      Build {live.build.number}{" "}
      counts as filled by the definition that is loaded here, of the same version. Do so where a change makes no
      difference to the rows.
    </p>
  </Action>
)

export const ReadModel = ({ params: { model: readModel = "" } }: { readonly params: Params }) => {
  const load = useAnswer(get("/read-models/:readModel", { params: { readModel } }))
  const runners = useAnswer(get("/runners"))
  const again = () => {
    load.reload()
    runners.reload()
  }
  const { begin, running, stop } = useRebuild(again)
  const model = load.value
  if (model === undefined) {
    return (
      <View title={readModel}>
        <section class="panel">
          <Loaded load={load}>{() => null}</Loaded>
        </section>
      </View>
    )
  }
  const builds = buildsOf(model)
  const live = builds.find(({ build }) => build.state === "live")
  const runs = runsOf(runners.value?.runners, "read model", readModel)
  const isLoadedHere = model.version !== null
  return (
    <View
      title={readModel}
      heading={<Text>{readModel}</Text>}
      facts={
        <>
          <span>
            {model.version === null ? "definition not loaded here" : `version ${model.version} is loaded here`}
          </span>
          {live === undefined ? null : (
            <span>
              lag <LagCell lag={live.lag} isExact={live.isExact} />
            </span>
          )}
        </>
      }
      actions={
        <>
          {isLoadedHere ? <Rebuild model={model} builds={builds} onStart={begin} /> : null}
          {isLoadedHere && live !== undefined ? <Accept model={model} live={live} onDone={again} /> : null}
          <button type="button" class="small" aria-keyshortcuts="r" onClick={again}>Look again</button>
        </>
      }
    >
      <HeldBackNote at={heldBackOf(runs, model.status)} />
      {running === undefined ? null : <ProgressPanel running={running} onStop={stop} />}
      <section class="panel" aria-label="Builds">
        <div class="title">
          <h2>Builds</h2>
        </div>
        {whyNot.value === undefined ? null : <WhyNot />}
        {builds.length === 0
          ? <Empty title="It has never run">Its first build is in use at once.</Empty>
          : (
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col" class="num">Build</th>
                    <th scope="col">State</th>
                    <th scope="col" class="num">Version</th>
                    <th scope="col" class="num">Position</th>
                    <th scope="col" class="num">Lag</th>
                    <th scope="col" class="narrow-gone">Begun, in UTC</th>
                    <th scope="col">
                      <span class="unseen">What to do</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {builds.map((one) => (
                    <BuildRow
                      key={one.build.number}
                      model={model}
                      one={one}
                      live={live}
                      onDone={again}
                      onSwitch={begin}
                    />
                  ))}
                </tbody>
              </table>
            </div>
          )}
      </section>
      <RightNow
        runs={runs}
        facts={({ failed, handled, rate, skipped }) => (
          <>
            <dt>Rate</dt>
            <dd>{rate.toFixed(1)} a second</dd>
            <dt>Since then</dt>
            <dd>
              {number(handled)} handled, {number(failed)} failed, {number(skipped)} skipped
            </dd>
          </>
        )}
        stuck={({ failure, message }) => (
          <>
            <PositionLink position={message.globalPosition} />
            <FailureLine failure={failure} />
          </>
        )}
      />
    </View>
  )
}
