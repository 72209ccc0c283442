/**
 * What a person should look at: a line each, with what to do about it.
 */
import type { ComponentChildren } from "preact"
import type { Answer } from "../data/api.ts"
import { pathOf } from "../data/client.ts"
import { HeldBackAt } from "../parts/HeldBack.tsx"
import { counted, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Ago } from "../parts/Time.tsx"

export type NowAnswer = Answer<"GET", "/now">
export type Attention = NowAnswer["attention"][number]
export type Reader = NowAnswer["readers"][number]

const places = {
  consumer: "/consumers/:reader",
  process: "/processes/:reader",
  "read model": "/read-models/:reader"
} as const

/** A consumer, a process or a read model, as a link to it. */
export const ReaderLink = ({ isRow = false, kind, reader }: {
  readonly kind: Reader["kind"]
  readonly reader: string
  readonly isRow?: boolean
}) => (
  <a class="name" href={pathOf(places[kind], { reader })} {...(isRow ? { "data-row": "" } : {})}>
    <Text>{reader}</Text>
  </a>
)

/** What it is, for a list that keeps it in its place while its numbers change. */
export const keyOf = (one: Attention): string =>
  one.what === "silent" ? `silent ${one.host} ${one.pid}` : `${one.what} ${one.kind} ${one.reader} ${one.category}`

const looks = {
  stopped: { mark: "✖", tone: "bad", says: "stopped" },
  stuck: { mark: "↻", tone: "bad", says: "retrying" },
  silent: { mark: "✖", tone: "bad", says: "silent" },
  heldBack: { mark: "⏸", tone: "warn", says: "held back" },
  parked: { mark: "⚠", tone: "warn", says: "parked" },
  overdue: { mark: "⏰", tone: "warn", says: "overdue" }
} as const

const Failed = ({ failure: { message, tag } }: {
  readonly failure: { readonly tag: string; readonly message: string }
}) => (
  <span class="error">
    <Text>{message === "" ? tag : message}</Text>
  </span>
)

const sentence = (one: Attention): ComponentChildren => {
  switch (one.what) {
    case "stopped":
      return (
        <>
          no program runs it{one.since === null ? "" : (
            <>
              , since <Ago time={one.since} />
            </>
          )}: {one.lag.isExact ? counted(one.lag.messages, "message") : `up to ${counted(one.lag.messages, "message")}`}
          {" "}
          waiting
          {one.failure === null ? null : (
            <>
              . <Failed failure={one.failure} />
            </>
          )}
        </>
      )
    case "stuck":
      return (
        <>
          attempt {number(one.attempts)} at <PositionLink position={one.message.globalPosition} />{" "}
          <Text>{one.message.type}</Text>, since <Ago time={one.since} />: <Failed failure={one.failure} />
        </>
      )
    case "heldBack":
      return <HeldBackAt at={one.heldBack} />
    case "parked":
      return (
        <>
          {counted(one.messages, "message")} of {counted(one.streams, "stream")}, the first <Ago time={one.since} />
        </>
      )
    case "overdue":
      return (
        <>
          {counted(one.deadlines, "deadline")} past {one.deadlines === 1 ? "its" : "their"} time: {one.first.name} of
          {" "}
          <Text>{one.first.id}</Text> was due <Ago time={one.first.due} />
        </>
      )
    case "silent":
      return (
        <>
          {one.host ?? "a program"}
          {one.pid === null ? "" : ` pid ${one.pid}`}, since <Ago time={one.since} />; it ran {one.readers.join(", ")}
        </>
      )
  }
}

/** One of them. */
export const AttentionRow = ({ one }: { readonly one: Attention }) => {
  const { mark, says, tone } = looks[one.what]
  return (
    <li class={`attention ${tone}`}>
      <span class="sign" aria-hidden="true">{mark}</span>
      <span class="who">
        {one.what === "silent" ? "a program" : <ReaderLink isRow kind={one.kind} reader={one.reader} />}
      </span>
      <span class="state">{says}</span>
      <span class="sentence">{sentence(one)}</span>
    </li>
  )
}

/** A recent failure. */
export const ErrorRow = ({ error }: { readonly error: NowAnswer["errors"][number] }) => (
  <tr>
    <td class="fit dim">
      <Ago time={error.time} />
    </td>
    <td class="clip">
      <ReaderLink kind={error.kind} reader={error.reader} />
    </td>
    <th scope="row" class="num">
      <PositionLink isRow position={error.globalPosition} />
    </th>
    <td class="clip narrow-gone">
      <StreamLink name={error.streamName} />
    </td>
    <td class="fit">
      <span class={error.state === "retrying" ? "badge warn" : "badge bad"}>{error.state}</span>
      <span class="dim beside">{counted(error.attempts, "attempt")}</span>
    </td>
    <td class="wide error">
      <div class="cut" title={error.failure.message}>
        <Failed failure={error.failure} />
      </div>
    </td>
  </tr>
)
