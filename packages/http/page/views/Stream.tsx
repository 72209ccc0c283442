/**
 * The timeline of a stream: a window of its messages, which goes on by position in both directions.
 */
import { useSignal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { address, goQuery, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { RecordedMessage } from "../data/api.ts"
import { get, pathOf, type Problem } from "../data/client.ts"
import { isPaused } from "../data/clock.ts"
import { duration } from "../data/durations.ts"
import { field } from "../data/exact.ts"
import { JsonLine } from "../parts/JsonView.tsx"
import { causePosition, causeStream, correlation } from "../parts/metadata.ts"
import { categoryOf, counted, Mark, number, PositionLink, Text } from "../parts/Names.tsx"
import { saveLines } from "../parts/save.ts"
import { Empty, Failure, Loaded } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { TroubleMark, useTroubles } from "../parts/Trouble.tsx"
import { View } from "../parts/View.tsx"
import { StateLinks } from "./Entities.tsx"
import type { Params } from "./routes.ts"
import { positionAt } from "./streamTimes.ts"

/** To show 100 took the browser longer than 50 milliseconds, which one feels. */
const pageSize = 50

/** A time without messages that is long enough to be seen. */
const gap = 3_600_000

const columns = 7

/** What the metadata say a message follows from, as a link. */
const CauseLink = ({ message: { metadata } }: { readonly message: RecordedMessage }) => {
  const [position, streamName] = [causePosition, causeStream].map((key) => field(metadata, key))
  if (typeof position !== "number" || typeof streamName !== "string") return null
  return (
    <a
      class="name cause"
      href={pathOf("/messages/:position", { position })}
      title={`its cause is #${number(position)}`}
    >
      <span aria-hidden="true">←</span> <Text>{streamName}</Text>
    </a>
  )
}

const Row = ({ before, isChosen, message, misfit, trouble }: {
  readonly message: RecordedMessage
  /** The message of the row above. */
  readonly before: RecordedMessage | undefined
  readonly isChosen: boolean
  readonly misfit: string | undefined
  readonly trouble: Parameters<typeof TroubleMark>[0]["trouble"]
}) => {
  const step = before === undefined ? 0 : Math.abs(Date.parse(message.time) - Date.parse(before.time))
  return (
    <>
      {step < gap ? null : (
        <tr class="gap">
          <td colSpan={columns}>{duration(step)} without messages</td>
        </tr>
      )}
      <tr {...(isChosen ? { "aria-current": "true" as const } : {})}>
        <td class="num mono">{number(message.position)}</td>
        <th scope="row" class="num">
          <PositionLink isRow position={message.globalPosition} />
        </th>
        <td class="fit">
          <At inColumn time={message.time} />
        </td>
        <td class="num dim narrow-gone">{before === undefined ? "" : duration(step)}</td>
        <td class="type clip">
          <a
            class="type quiet"
            href={hrefQuery({ type: message.type, from: undefined, at: undefined })}
            title="only messages of this type"
          >
            <Text>{message.type}</Text>
          </a>
        </td>
        <td class="wide">
          {misfit === undefined ? null : <span class="badge bad" title={misfit}>does not decode</span>}
          <TroubleMark trouble={trouble} />
          <JsonLine value={message.data} />
        </td>
        <td class="clip narrow-gone">
          <CauseLink message={message} />
        </td>
      </tr>
    </>
  )
}

const Timeline = ({ at, messages, misfits }: {
  readonly messages: ReadonlyArray<RecordedMessage>
  readonly misfits: ReadonlyMap<number, string>
  readonly at: number | undefined
}) => {
  const first = messages[0]?.globalPosition
  const troubles = useTroubles()
  useEffect(() => {
    document.querySelector("main tr[aria-current]")?.scrollIntoView({ block: "center" })
  }, [at, first])
  return (
    <div class="scroll">
      <table class="timeline">
        <thead>
          <tr>
            <th scope="col" class="num">At</th>
            <th scope="col" class="num">Position</th>
            <th scope="col">Written, in UTC</th>
            <th scope="col" class="num narrow-gone">Between</th>
            <th scope="col">Type</th>
            <th scope="col">Data</th>
            <th scope="col" class="narrow-gone">Cause</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message, index) => (
            <Row
              key={message.globalPosition}
              message={message}
              before={messages[index - 1]}
              isChosen={message.position === at}
              misfit={misfits.get(message.position)}
              trouble={troubles.get(message.globalPosition)}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Goes to a position, or to the first message since a time. */
const Jump = ({ streamName, version }: { readonly streamName: string; readonly version: number }) => {
  const problem = useSignal<Problem | undefined>(undefined)
  const isBusy = useSignal(false)
  const jump = async (given: string) => {
    const text = given.trim().replace(/^#/, "").replaceAll(",", "")
    problem.value = undefined
    if (/^\d+$/.test(text)) return goQuery({ at: Math.min(Number(text), version), from: undefined })
    const time = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(" ", "T")}Z`)
    if (Number.isNaN(time)) {
      problem.value = {
        status: 0,
        type: "page",
        title: `${given} is neither a position nor a time`,
        detail: "Write 4110, 2026-11-28 or 2026-11-28 12:00, which is in UTC.",
        fields: {}
      }
      return undefined
    }
    isBusy.value = true
    const found = await positionAt(streamName, version, time)
    isBusy.value = false
    if (found._tag === "Failed") problem.value = found.problem
    else goQuery({ at: found.value, from: undefined })
    return undefined
  }
  return (
    <>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault()
          const given = new FormData(event.currentTarget).get("to")
          if (typeof given === "string" && given.trim() !== "") void jump(given)
        }}
      >
        <label>
          Go to a position or a time
          <input
            name="to"
            class="mono"
            autocomplete="off"
            placeholder="4110, or 2026-11-28 12:00"
            aria-keyshortcuts="g"
            data-does="go to a position or a time"
          />
        </label>
        <button type="submit" disabled={isBusy.value}>Go</button>
      </form>
      {problem.value === undefined ? null : <Failure problem={problem.value} />}
    </>
  )
}

/** What its messages are correlated by: most often the stream with which it began, else itself. */
const correlationOf = (messages: ReadonlyArray<RecordedMessage> | undefined, streamName: string): string => {
  const told = messages?.map(({ metadata }) => field(metadata, correlation)).find((one) => typeof one === "string")
  return typeof told === "string" && told !== "" ? told : streamName
}

/** The window that the address asks for: around `at`, or from `from` in a direction; else the newest messages. */
const windowOf = (): { readonly from: number | undefined; readonly direction: "forwards" | "backwards" } => {
  const at = numberOf("at")
  const direction = address.value.query.get("dir") === "f" ? "forwards" as const : "backwards" as const
  if (at === undefined) return { from: numberOf("from"), direction }
  const half = Math.floor(pageSize / 2)
  return { from: direction === "forwards" ? Math.max(0, at - half) : at + half, direction }
}

export const Stream = ({ params }: { readonly params: Params }) => {
  const streamName = params["stream"] ?? ""
  const category = categoryOf(streamName)
  const at = numberOf("at")
  const types = address.value.query.getAll("type")
  const { direction, from } = windowOf()
  const [firstType, ...otherTypes] = types
  const version = useAnswer(get("/streams/:streamName", { params: { streamName } }))
  const page = useAnswer(get("/streams/:streamName/messages", {
    params: { streamName },
    query: {
      from,
      direction,
      limit: pageSize,
      check: "true",
      type: firstType === undefined ? undefined : [firstType, ...otherTypes]
    }
  }))
  const last = version.value?.version
  const reload = () => {
    if (isPaused.value) return
    version.reload()
    page.reload()
  }
  return (
    <View
      title={streamName}
      heading={
        <>
          <Mark category={category} />
          <Text>{streamName}</Text>
        </>
      }
      facts={
        <>
          <a href={pathOf("/streams", {}, { category })}>
            <Text>{category}</Text>
          </a>
          {last === undefined ? null : <span>{counted(last + 1, "message")}</span>}
        </>
      }
      actions={
        <>
          <StateLinks streamName={streamName} />
          <a
            class="button"
            aria-keyshortcuts="w"
            data-does="to what happened because of it"
            href={pathOf("/correlations/:streamName", { streamName: correlationOf(page.value?.messages, streamName) })}
          >
            Trace
          </a>
          <button type="button" aria-keyshortcuts="r" onClick={reload} disabled={isPaused.value}>Look again</button>
          <button
            type="button"
            title="The messages of this page, as lines of JSON"
            disabled={page.value === undefined}
            onClick={() => saveLines(streamName, page.value?.messages ?? [])}
          >
            Save
          </button>
        </>
      }
    >
      <section class="panel" aria-label="Timeline">
        <div class="title">
          {last === undefined ? <span /> : <Jump streamName={streamName} version={last} />}
          <div class="tabs" role="group" aria-label="Order">
            <a
              href={hrefQuery({ dir: undefined, from: undefined })}
              {...(direction === "backwards" ? { "aria-current": "true" as const } : {})}
            >
              newest first
            </a>
            <a
              href={hrefQuery({ dir: "f", from: undefined })}
              {...(direction === "forwards" ? { "aria-current": "true" as const } : {})}
            >
              oldest first
            </a>
          </div>
        </div>
        {types.length === 0 ? null : (
          <p class="note">
            Only {types.map((type) => (
              <span key={type} class="type">
                <Text>{type}</Text>
                {" "}
              </span>
            ))}
            <a href={hrefQuery({ type: undefined })}>show all types</a>
          </p>
        )}
        <Loaded load={page} lines={16}>
          {({ messages, misfits = [], next, previous }) => (
            <>
              {messages.length === 0
                ? (
                  <Empty title={next === undefined ? "No messages" : "None on this page"}>
                    {next === undefined
                      ? "The stream has none, or was deleted. A stream comes into being with its first message."
                      : "Look further for messages of this type."}
                  </Empty>
                )
                : (
                  <Timeline
                    messages={messages}
                    misfits={new Map(
                      misfits.map(({ path, position, reason }) => [position, `${path.join(".")}: ${reason}`])
                    )}
                    at={at}
                  />
                )}
              {next === undefined && previous === undefined ? null : (
                <nav class="foot" aria-label="Pages">
                  {previous === undefined
                    ? <span class="dim">{direction === "backwards" ? "the newest" : "the first"}</span>
                    : (
                      <a class="button small" aria-keyshortcuts="p" href={hrefQuery({ from: previous, at: undefined })}>
                        {direction === "backwards" ? "Newer" : "Older"}
                      </a>
                    )}
                  {next === undefined
                    ? <span class="dim grow">{direction === "backwards" ? "the first" : "the newest"}</span>
                    : (
                      <a
                        class="button small grow"
                        aria-keyshortcuts="n"
                        href={hrefQuery({ from: next, at: undefined })}
                      >
                        {direction === "backwards" ? "Older" : "Newer"}
                      </a>
                    )}
                </nav>
              )}
            </>
          )}
        </Loaded>
      </section>
    </View>
  )
}
