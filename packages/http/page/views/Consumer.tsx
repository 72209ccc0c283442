/**
 * One consumer: what it does right now, and what is parked for it, which an administrator can replay or drop.
 */
import { useSignal } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { address, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf, post } from "../data/client.ts"
import { isPaused } from "../data/clock.ts"
import { duration } from "../data/durations.ts"
import { Action, WhyNot } from "../parts/Action.tsx"
import { HeldBackNote } from "../parts/HeldBack.tsx"
import { attempts, FailureLine, LagCell } from "../parts/Lag.tsx"
import { counted, Mark, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Pages } from "../parts/Pages.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { Ago } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import { type Consumer as Seen, heldBackOf, lagOf, positionOf, RightNow, runsOf } from "./Consumers.tsx"
import type { Params } from "./routes.ts"

type Parked = Answer<"GET", "/consumers/:consumer/parked">["streams"][number]

interface Owner {
  readonly consumer: string
  readonly category: string
}

/** A stream that is replayed, with how often its oldest message was tried before. */
interface Replayed {
  readonly stream: string
  readonly attempts: number
}

/** What a view does after something was asked for: it says so, and looks again. */
interface Doing {
  readonly onDone: (words: string, replayed?: Replayed) => void
  readonly onChanged: () => void
}

const pageSize = 20

const Members = ({ consumer: { status, stored } }: { readonly consumer: Seen }) => {
  const times = new Map(stored.map(({ member, time }) => [member, time]))
  const members = status === null
    ? stored.map(({ behind, member, position }) => ({
      member,
      position,
      lag: { messages: behind.positions, age: behind.age },
      isExact: false
    }))
    : status.members.map(({ lag, member = null, position }) => ({ member, position, lag, isExact: true }))
  return (
    <section class="panel" aria-label="Positions">
      <div class="title">
        <h2>Positions</h2>
      </div>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col" class="num">Position</th>
              <th scope="col" class="num">Lag</th>
              <th scope="col">Written</th>
            </tr>
          </thead>
          <tbody>
            {members.map(({ isExact, lag, member, position }) => (
              <tr key={member}>
                <th scope="row">{member === null ? "the only one" : number(member)}</th>
                <td class="num">{position === null ? "none" : <PositionLink position={position} />}</td>
                <td class="num">
                  <LagCell lag={lag} isExact={isExact} />
                </td>
                <td class="dim">
                  {times.get(member) === undefined ? "never" : <Ago time={times.get(member) ?? ""} />}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

const StreamActions = (
  { category, consumer, onChanged, onDone, parked }: Owner & Doing & { readonly parked: Parked }
) => {
  const { last, messages, stream, waiting } = parked
  const expected = { messages: waiting, last }
  const query = { category }
  const replayed = { stream, attempts: messages[0]?.attempts ?? 0 }
  const what = (
    <p>
      {counted(waiting, "message")} of{" "}
      <code>
        <Text>{stream}</Text>
      </code>{" "}
      {waiting === 1 ? "waits" : "wait"} for{" "}
      <code>
        <Text>{consumer}</Text>
      </code>.
    </p>
  )
  const replay = (limit?: number) => (reason: string | undefined) =>
    post("/consumers/:consumer/parked/replay", {
      params: { consumer },
      query,
      body: {
        stream,
        expected,
        ...(limit === undefined ? {} : { limit }),
        ...(reason === undefined ? {} : { reason })
      }
    })
  return (
    <>
      <Action
        label="Replay 1"
        title={`Replay the oldest message of ${stream}`}
        reason="optional"
        send={(_, reason) => replay(1)(reason)}
        onDone={() => onDone(`Asked for a replay of the oldest message of ${stream}.`, replayed)}
        onChanged={onChanged}
      >
        {what}
        <p>
          The consumer handles the oldest one again: <Text>{messages[0]?.type ?? ""}</Text>{" "}
          at #{number(messages[0]?.globalPosition ?? 0)}.
        </p>
      </Action>
      <Action
        label="Replay stream"
        title={`Replay ${stream}`}
        reason="optional"
        send={(_, reason) => replay()(reason)}
        onDone={() => onDone(`Asked for a replay of ${stream}.`, replayed)}
        onChanged={onChanged}
      >
        {what}
        <p>The consumer handles them again, in their order, until one fails.</p>
      </Action>
      <Action
        label="Drop"
        title={`Drop what waits of ${stream}`}
        reason="required"
        word={stream}
        send={(_, reason = "") =>
          post("/consumers/:consumer/parked/drop", { params: { consumer }, query, body: { stream, expected, reason } })}
        onDone={({ dropped }) => onDone(`Dropped ${counted(dropped, "message")} of ${stream}.`)}
        onChanged={onChanged}
      >
        {what}
        <p>The consumer will not handle them. They stay in their streams, and the reason stays in the parked stream.</p>
      </Action>
    </>
  )
}

const ParkedRows = (props: Owner & Doing & { readonly parked: Parked }) => {
  const { messages, stream, waiting } = props.parked
  const failed = messages.find(({ failure }) => failure !== null)
  const isOpen = address.value.query.get("stream") === stream
  return (
    <>
      <tr>
        <th scope="row" class="clip">
          <a
            class="name"
            data-row
            role="button"
            aria-expanded={isOpen}
            href={hrefQuery({ stream: isOpen ? undefined : stream })}
          >
            <Mark category={stream.replace(/-.*$/s, "")} />
            <Text>{stream}</Text>
          </a>
        </th>
        <td class="num">{number(waiting)}</td>
        <td class="num">
          {failed === undefined ? <span class="dim">–</span> : <PositionLink position={failed.globalPosition} />}
        </td>
        <td class="why">
          {failed?.failure == null
            ? <span class="dim">waits behind another</span>
            : (
              <>
                <Text>{failed.type}</Text> <span class="dim">{attempts(failed.attempts)},</span>{" "}
                <Ago time={failed.time} /> <FailureLine failure={failed.failure} />
              </>
            )}
        </td>
        <td class="acts">
          <StreamActions {...props} />
        </td>
      </tr>
      {isOpen
        ? messages.map((message) => (
          <tr key={message.globalPosition}>
            <td class="dim clip">
              <StreamLink name={message.streamName} from={message.position} />
            </td>
            <td class="num dim">{attempts(message.attempts)}</td>
            <td class="num">
              <PositionLink position={message.globalPosition} />
            </td>
            <td colSpan={2}>
              <Text>{message.type}</Text> {message.failure === null
                ? <span class="dim">only waits</span>
                : <FailureLine failure={message.failure} />}
            </td>
          </tr>
        ))
        : null}
    </>
  )
}

/** How often the list is read again after a replay, in milliseconds, and how often at most. */
const [lookAgain, mostLooks] = [1_000, 15]

/** Reads something again for a while, as long as nothing is paused. */
const useLooks = (reload: () => void) => {
  const left = useSignal(0)
  const latest = useRef(reload)
  latest.current = reload
  const runs = left.value > 0 && !isPaused.value
  useEffect(() => {
    if (!runs) return undefined
    const timer = setInterval(() => {
      left.value -= 1
      latest.current()
    }, lookAgain)
    return () => clearInterval(timer)
  }, [runs, left])
  return {
    isLooking: left.value > 0,
    begin: () => {
      left.value = mostLooks
    }
  }
}

/** What has become of a replay, as far as the list says; nothing where it does not. */
const outcomeOf = (replayed: Replayed | undefined, streams: ReadonlyArray<Parked> | undefined): string | undefined => {
  if (replayed === undefined || streams === undefined) return undefined
  const oldest = streams.find(({ stream }) => stream === replayed.stream)?.messages[0]
  if (oldest === undefined) return "It is parked no more."
  return oldest.attempts > replayed.attempts ? "It has failed again." : undefined
}

const ParkedList = ({ isRunning, onAgain, owner, summary }: {
  readonly owner: Owner
  readonly summary: Seen["parked"]
  readonly isRunning: boolean
  readonly onAgain: () => void
}) => {
  const { category, consumer } = owner
  const after = numberOf("after")
  const said = useSignal("")
  const replayed = useSignal<Replayed | undefined>(undefined)
  const load = useAnswer(
    get("/consumers/:consumer/parked", { params: { consumer }, query: { category, after, limit: pageSize } })
  )
  const looks = useLooks(() => {
    load.reload()
    onAgain()
  })
  const doing: Doing = {
    onDone: (words, what) => {
      said.value = words
      replayed.value = what
      load.reload()
      onAgain()
      looks.begin()
    },
    onChanged: () => {
      load.reload()
      onAgain()
    }
  }
  return (
    <section class="panel" aria-label="Parked messages">
      <div class="title">
        <h2>Parked</h2>
        {summary === null ? null : (
          <>
            <span class="dim">
              {counted(summary.messages, "message")} in {counted(summary.streams, "stream")}, the first{" "}
              <Ago time={summary.since} />
            </span>
            <span>
              <Action
                label="Replay all"
                title={`Replay all that waits for ${consumer}`}
                reason="optional"
                send={(_, reason) =>
                  post("/consumers/:consumer/parked/replay", {
                    params: { consumer },
                    query: { category },
                    body: {
                      expected: { streams: summary.streams, messages: summary.messages },
                      ...(reason === undefined ? {} : { reason })
                    }
                  })}
                {...doing}
                onDone={() => doing.onDone(`Asked for a replay of ${counted(summary.streams, "stream")}.`)}
              >
                <p>
                  {counted(summary.messages, "message")} in {counted(summary.streams, "stream")} wait for{" "}
                  <code>
                    <Text>{consumer}</Text>
                  </code>. It handles them again, each stream in its order, until one of it fails.
                </p>
              </Action>
            </span>
          </>
        )}
      </div>
      <p class="note" role="status">
        {said.value === ""
          ? ""
          : `${said.value} ${
            isRunning
              ? outcomeOf(replayed.value, load.value?.streams) ??
                (looks.isLooking ? "The list is read again each second." : "")
              : "The consumer does it when it runs again."
          }`}
      </p>
      <WhyNot />
      <Loaded load={load}>
        {({ next, streams }) =>
          streams.length === 0
            ? (
              <Empty title="Nothing is parked">
                What fails for the last time waits here, where the consumer parks.
              </Empty>
            )
            : (
              <>
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Stream</th>
                        <th scope="col" class="num">Wait</th>
                        <th scope="col" class="num">Failed at</th>
                        <th scope="col">Why</th>
                        <th scope="col">
                          <span class="unseen">What to do</span>
                        </th>
                      </tr>
                    </thead>
                    <tbody>
                      {streams.map((parked) => (
                        <ParkedRows
                          key={parked.stream}
                          {...owner}
                          {...doing}
                          parked={parked}
                        />
                      ))}
                    </tbody>
                  </table>
                </div>
                <Pages after={after} next={next} />
              </>
            )}
      </Loaded>
    </section>
  )
}

const Rewind = ({ category, consumer, expected, onAgain }: Owner & {
  readonly expected: number
  readonly onAgain: () => void
}) => (
  <Action
    label="Rewind"
    title={`Rewind ${consumer}`}
    reason="required"
    word={consumer}
    fields={
      <fieldset>
        <legend>Handle again</legend>
        <label>
          <input type="radio" name="to" value="position" defaultChecked /> from position{" "}
          <input type="number" name="position" min={1} max={expected} aria-label="Global position" />
        </label>
        <label>
          <input type="radio" name="to" value="time" /> since (UTC){" "}
          <input type="datetime-local" name="time" step={1} aria-label="Time" />
        </label>
        <label>
          <input type="radio" name="to" value="beginning" /> everything
        </label>
      </fieldset>
    }
    send={(form, reason = "") => {
      const [kind, position, time] = ["to", "position", "time"].map((name) => form.get(name))
      const to = kind === "beginning"
        ? "beginning" as const
        : kind === "time"
        ? typeof time === "string" && time !== "" ? { time: `${time.length === 16 ? `${time}:00` : time}Z` } : undefined
        : typeof position === "string" && /^\d+$/.test(position)
        ? { position: Number(position) }
        : undefined
      return to === undefined
        ? undefined
        : post("/consumers/:consumer/rewind", {
          params: { consumer },
          query: { category },
          body: { to, expected, reason }
        })
    }}
    onDone={onAgain}
    onChanged={onAgain}
  >
    <p>
      It is at #{number(expected)}. It handles messages a second time, from where you say: stop all its members first.
    </p>
  </Action>
)

export const Consumer = ({ params: { consumer = "" } }: { readonly params: Params }) => {
  const category = address.value.query.get("category") ?? undefined
  const load = useAnswer(get("/consumers/:consumer", { params: { consumer }, query: { category } }))
  const runners = useAnswer(get("/runners"))
  const seen = load.value
  if (seen === undefined) {
    return (
      <View title={consumer}>
        <section class="panel">
          {load.problem?.type === "invalid-request"
            ? (
              <Empty title="Several consumers have this id">
                <a href={pathOf("/consumers", {}, { of: consumer })}>Choose the one that is meant</a>
              </Empty>
            )
            : <Loaded load={load}>{() => null}</Loaded>}
        </section>
      </View>
    )
  }
  const { isExact, lag } = lagOf(seen)
  const position = positionOf(seen)
  const again = () => {
    load.reload()
    runners.reload()
  }
  const owner = { consumer: seen.consumer, category: seen.category }
  const runs = runsOf(runners.value?.runners, "consumer", seen.consumer, seen.category)
  const isRunning = runs.some(({ run }) => run.status.isActive)
  const age = lag.age === null || lag.messages === 0 ? "" : ` / ${duration(lag.age)}`
  return (
    <View
      title={seen.consumer}
      heading={<Text>{seen.consumer}</Text>}
      facts={
        <>
          <span class="name">
            <Mark category={seen.category} />
            <Text>{seen.category}</Text>
          </span>
          {position === undefined ? <span>no position</span> : (
            <span>
              at <PositionLink position={position} />
            </span>
          )}
          <span>{lag.messages === 0 ? "no lag" : `lag ${isExact ? "" : "≤ "}${number(lag.messages)}${age}`}</span>
        </>
      }
      actions={
        <>
          {position === undefined ? null : <Rewind {...owner} expected={position} onAgain={again} />}
          <button type="button" class="small" aria-keyshortcuts="r" onClick={again}>Look again</button>
        </>
      }
    >
      <HeldBackNote at={heldBackOf(runs, seen.status)} />
      <ParkedList owner={owner} summary={seen.parked} isRunning={isRunning} onAgain={again} />
      <div class="split">
        <RightNow
          runs={runs}
          facts={({ failed, handled, inFlight, parked, pending, rate, skipped }) => (
            <>
              <dt>In flight</dt>
              <dd>{number(inFlight)} of {number(pending)} that are read</dd>
              <dt>Rate</dt>
              <dd>{rate.toFixed(1)} a second</dd>
              <dt>Since then</dt>
              <dd>
                {number(handled)} handled, {number(failed)} failed, {number(parked)} parked, {number(skipped)} skipped
              </dd>
            </>
          )}
          stuck={({ attempts: count, failure, message, since: first }) => (
            <>
              <StreamLink name={message.streamName} from={message.position} />
              <PositionLink position={message.globalPosition} isRow />
              <span>
                {attempts(count)}, first <Ago time={first} />
              </span>
              <FailureLine failure={failure} />
            </>
          )}
        />
        <Members consumer={seen} />
      </div>
    </View>
  )
}
