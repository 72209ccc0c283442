/**
 * One message: what is stored, what it follows from, and what follows from it.
 */
import { address, hrefQuery } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer, RecordedMessage } from "../data/api.ts"
import { base, get, pathOf } from "../data/client.ts"
import { duration } from "../data/durations.ts"
import { field, write } from "../data/exact.ts"
import { Copy } from "../parts/Copy.tsx"
import { JsonView } from "../parts/JsonView.tsx"
import { causePosition, causeStream, correlation } from "../parts/metadata.ts"
import { categoryOf, Mark, number, StreamLink, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { Ago, At } from "../parts/Time.tsx"
import { TroubleMark, useTroubles } from "../parts/Trouble.tsx"
import { View } from "../parts/View.tsx"
import type { Params } from "./routes.ts"
import { Trace } from "./Trace.tsx"

const shapes = ["tree", "JSON", "decoded"] as const

const shapeNow = (): typeof shapes[number] => {
  const asked = address.value.query.get("data")
  return asked === "raw" ? "JSON" : asked === "decoded" ? "decoded" : "tree"
}

const inQuery = { tree: undefined, JSON: "raw", decoded: "decoded" } as const

/** What the program gets of the data, which may be of an older version. */
const Decoded = ({ decoded }: { readonly decoded: Answer<"GET", "/messages/:globalPosition/decoded"> }) => {
  if (!decoded.isLoaded) {
    return (
      <p class="dim">
        The definition of its category is not loaded here: serve it from a program that registers it with Observe.layer.
      </p>
    )
  }
  if (!decoded.isKnown) {
    return <p class="dim">No event of its category has this type, so readers skip it or refuse it.</p>
  }
  return decoded.data === undefined ? <p class="dim">It does not fit its schema.</p> : <JsonView value={decoded.data} />
}

/** A browser lays out no more text than this in a moment. */
const maxRaw = 100_000

const Raw = ({ value }: { readonly value: RecordedMessage["data"] }) => {
  const text = write(value, 2)
  return (
    <>
      <pre class="raw json" tabIndex={0}><Text hasLines>{text.slice(0, maxRaw).toWellFormed()}</Text></pre>
      {text.length <= maxRaw ? null : (
        <p class="dim">
          These are the first {number(maxRaw)} of {number(text.length)} characters: Copy JSON has all.
        </p>
      )}
    </>
  )
}

const Data = ({ message }: { readonly message: RecordedMessage }) => {
  const shape = shapeNow()
  const load = useAnswer(
    get("/messages/:globalPosition/decoded", { params: { globalPosition: message.globalPosition } })
  )
  const misfit = load.value?.misfit
  return (
    <section class="panel" aria-label="Data">
      <div class="title">
        <h2>Data</h2>
        <div class="tabs" role="group" aria-label="Show data as">
          {shapes.map((one) => (
            <a
              key={one}
              href={hrefQuery({ data: inQuery[one] })}
              {...(one === shape ? { "aria-current": "true" as const } : {})}
            >
              {one}
            </a>
          ))}
        </div>
      </div>
      {misfit === undefined || misfit === null ? null : (
        <p class="note bad">
          Does not fit its schema at{" "}
          <code>
            <Text>{misfit.path.join(".")}</Text>
          </code>: <Text>{misfit.reason}</Text>
        </p>
      )}
      <div class="body">
        {shape === "JSON"
          ? <Raw value={message.data} />
          : shape === "tree"
          ? <JsonView value={message.data} />
          : <Loaded load={load} lines={3}>{(decoded) => <Decoded decoded={decoded} />}</Loaded>}
      </div>
    </section>
  )
}

const states = {
  handled: { says: "handled", looks: "badge good" },
  parked: { says: "parked", looks: "badge bad" },
  behind: { says: "not yet", looks: "badge warn" }
} as const

const addressOf = {
  consumer: "/consumers/:name",
  process: "/processes/:name",
  "read model": "/read-models/:name"
} as const

/** Who reads it, and how far each is with it. */
const Readers = ({ position }: { readonly position: number }) => {
  const load = useAnswer(get("/messages/:globalPosition/readers", { params: { globalPosition: position } }))
  return (
    <section class="panel" aria-label="Handled by">
      <div class="title">
        <h2>Handled by</h2>
      </div>
      <Loaded load={load} lines={3}>
        {({ readers }) =>
          readers.length === 0
            ? <p class="note">No consumer, process or read model that is known here reads its category.</p>
            : (
              <table>
                <tbody>
                  {readers.map(({ category, handles, kind, reader, state }) => (
                    <tr key={`${kind} ${reader} ${category}`}>
                      <th scope="row">
                        <a class="name" href={pathOf(addressOf[kind], { name: reader })}>
                          <Text>{reader}</Text>
                        </a>
                      </th>
                      <td class="dim">{kind}</td>
                      <td class="dim narrow-gone">{category === "$all" ? "" : <Text>{category}</Text>}</td>
                      <td class="fit">
                        <span class={states[state].looks}>
                          {handles === false && state === "handled" ? "skipped" : states[state].says}
                        </span>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
      </Loaded>
    </section>
  )
}

const Metadata = ({ message: { metadata } }: { readonly message: RecordedMessage }) => (
  <section class="panel" aria-label="Metadata">
    <div class="title">
      <h2>Metadata</h2>
    </div>
    <div class="body">{metadata === null ? <p class="dim">none</p> : <JsonView value={metadata} />}</div>
  </section>
)

/** What it follows from. */
const Cause = ({ message }: { readonly message: RecordedMessage }) => {
  const [position, streamName] = [causePosition, causeStream].map((key) => field(message.metadata, key))
  const at = typeof position === "number" && position > 0 ? position : undefined
  const load = useAnswer(
    at === undefined ? undefined : get("/messages/:globalPosition", { params: { globalPosition: at } })
  )
  if (at === undefined) {
    return (
      <p class="dim">
        {typeof streamName === "string"
          ? (
            <>
              a message of <StreamLink name={streamName} />, without a position
            </>
          )
          : "nothing that its metadata name"}
      </p>
    )
  }
  const cause = load.value
  const wait = cause === undefined ? undefined : Date.parse(message.time) - Date.parse(cause.time)
  return (
    <p class="fact">
      <a
        class="type"
        aria-keyshortcuts="c"
        data-does="to the cause"
        href={pathOf("/messages/:position", { position: at })}
      >
        {cause === undefined ? <span class="position">#{number(at)}</span> : <Text>{cause.type}</Text>}
      </a>
      {typeof streamName === "string" ? <StreamLink name={streamName} /> : null}
      <span class="dim">
        {wait === undefined
          ? load.problem === undefined ? "" : "not there, or not yours to read"
          : wait < 0
          ? "clock?"
          : `${duration(wait)} before`}
      </span>
    </p>
  )
}

/** What follows from it. */
const Effects = ({ position }: { readonly position: number }) => {
  const load = useAnswer(
    get("/messages/:globalPosition/effects", { params: { globalPosition: position }, query: { limit: 20 } })
  )
  const troubles = useTroubles()
  return (
    <Loaded load={load} lines={2}>
      {({ effects, isComplete, lookedThrough }) => (
        <>
          {effects.length === 0 ? <p class="dim">none</p> : (
            <ul class="effects">
              {effects.map(({ message, wait }, index) => (
                <li key={message.globalPosition} class="fact">
                  <a
                    class="type"
                    data-row
                    href={pathOf("/messages/:position", { position: message.globalPosition })}
                    {...(index === 0 ? { "aria-keyshortcuts": "e", "data-does": "to the first effect" } : {})}
                  >
                    <Text>{message.type}</Text>
                  </a>
                  <StreamLink name={message.streamName} />
                  <span class="dim">{wait.clockDiffers ? "clock?" : `${duration(wait.millis)} later`}</span>
                  <TroubleMark trouble={troubles.get(message.globalPosition)} />
                </li>
              ))}
            </ul>
          )}
          {isComplete ? null : <p class="dim">up to #{number(lookedThrough)}, as far as the store has looked</p>}
        </>
      )}
    </Loaded>
  )
}

const Shown = ({ message }: { readonly message: RecordedMessage }) => {
  const correlated = field(message.metadata, correlation)
  const own = pathOf("/messages/:position", { position: message.globalPosition })
  return (
    <View
      title={`${message.type} #${message.globalPosition}`}
      heading={
        <>
          <Mark category={categoryOf(message.streamName)} />
          <Text>{message.type}</Text>
        </>
      }
      facts={
        <>
          <span>
            <a
              class="name"
              aria-keyshortcuts="s"
              data-does="to its stream"
              href={pathOf("/streams/:stream", { stream: message.streamName }, { at: message.position })}
            >
              <Text>{message.streamName}</Text>
            </a>{" "}
            at {number(message.position)}
          </span>
          <span class="position">#{number(message.globalPosition)}</span>
          <span>
            <At time={message.time} /> (<Ago time={message.time} />)
          </span>
        </>
      }
      actions={
        <>
          <Copy text={() => message.id} keys="i">Copy id</Copy>
          <Copy text={() => write({ ...message }, 2)} keys="y">Copy JSON</Copy>
          <Copy text={() => new URL(own, base).href}>Copy link</Copy>
        </>
      }
    >
      <div class="split">
        <div class="stack">
          <Data message={message} />
          <Metadata message={message} />
        </div>
        <div class="stack">
          <section class="panel" aria-label="Cause and effects">
            <div class="title">
              <h2>Cause</h2>
            </div>
            <div class="body">
              <Cause message={message} />
            </div>
            <div class="title second">
              <h2>Effects</h2>
            </div>
            <div class="body">
              <Effects position={message.globalPosition} />
            </div>
          </section>
          <Readers position={message.globalPosition} />
        </div>
      </div>
      {typeof correlated === "string" && correlated !== ""
        ? <Trace streamName={correlated} around={message.globalPosition} />
        : null}
    </View>
  )
}

export const Message = ({ params }: { readonly params: Params }) => {
  const given = params["position"] ?? ""
  const globalPosition = /^\d{1,16}$/.test(given) ? Number(given) : 0
  const isPosition = Number.isSafeInteger(globalPosition) && globalPosition > 0
  const load = useAnswer(isPosition ? get("/messages/:globalPosition", { params: { globalPosition } }) : undefined)
  if (!isPosition) {
    return (
      <View title="Message">
        <section class="panel">
          <Empty title={`${given} is no global position`}>Global positions are whole numbers from 1.</Empty>
        </section>
      </View>
    )
  }
  if (load.value !== undefined && load.value.globalPosition === globalPosition) return <Shown message={load.value} />
  return (
    <View title={`#${number(globalPosition)}`}>
      <section class="panel">
        {load.problem?.type === "message-not-found"
          ? (
            <Empty title={`No message is at #${number(globalPosition)}`}>
              The position was not used, the message was deleted, or you may not read it.{" "}
              <a href={pathOf("/messages", {}, { from: globalPosition })}>Look at what comes next</a>
            </Empty>
          )
          : <Loaded load={load}>{() => null}</Loaded>}
      </section>
    </View>
  )
}
