/**
 * What happened because of what: the messages of a correlation, as a waterfall, a table or a graph.
 */
import { useSignal } from "@preact/signals"
import type { ComponentType } from "preact"
import { useEffect, useMemo } from "preact/hooks"
import { address, hrefQuery } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import { ask, get, pathOf } from "../data/client.ts"
import { duration } from "../data/durations.ts"
import { categoryOf, counted, Mark, number, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Empty, Loaded, Loading } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { TroubleMark, useTroubles } from "../parts/Trouble.tsx"
import { View } from "../parts/View.tsx"
import { type Node, spanOf, type Traced, tree, waitOf } from "./causes.ts"
import type { Params } from "./routes.ts"

const pageSize = 500

/** More than a person can see in a graph. */
const maxGraph = 500

interface ShapeProps {
  readonly nodes: ReadonlyArray<Node>
  readonly troubles: ReturnType<typeof useTroubles>
  /** The message that is looked at. */
  readonly current: number | undefined
}

const clockNote = "it has an earlier time than its cause: the clocks of two writers differ"

const Waterfall = ({ current, nodes, troubles }: ShapeProps) => {
  const { length, start } = useMemo(() => spanOf(nodes), [nodes])
  const at = (time: string) => length === 0 ? 0 : 100 * (Date.parse(time) - start) / length
  return (
    <div class="scroll">
      <table class="waterfall">
        <thead>
          <tr>
            <th scope="col">Message</th>
            <th scope="col" class="narrow-gone">Stream</th>
            <th scope="col" class="num">After</th>
            <th scope="col" class="lanes">
              <span class="axis">
                <span>0</span>
                <span>{duration(length / 2)}</span>
                <span>{duration(length)}</span>
              </span>
            </th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => {
            const { cause, depth, message } = node
            const [from, to] = [
              at(cause === undefined || node.clockDiffers ? message.time : cause.time),
              at(message.time)
            ]
            return (
              <tr
                key={message.globalPosition}
                {...(message.globalPosition === current ? { "aria-current": "true" as const } : {})}
              >
                <th scope="row" class="clip">
                  <span class="indent" style={{ width: `${Math.min(depth, 10) * 0.9}rem` }} aria-hidden="true">
                    {depth === 0 ? "" : "└"}
                  </span>
                  <span class="unseen">{depth === 0 ? "" : `level ${depth + 1}: `}</span>
                  <a data-row class="type" href={pathOf("/messages/:position", { position: message.globalPosition })}>
                    <Text>{message.type}</Text>
                  </a>{" "}
                  <TroubleMark trouble={troubles.get(message.globalPosition)} />
                </th>
                <td class="clip narrow-gone">
                  <StreamLink name={message.streamName} />
                </td>
                <td class="num dim" {...(node.clockDiffers ? { title: clockNote } : {})}>{waitOf(node)}</td>
                <td class="lanes">
                  <div class="lane" aria-hidden="true">
                    {to - from > 0.3
                      ? <span class="wait" style={{ left: `${from}%`, width: `${to - from}%` }} />
                      : null}
                    <span class="dot" style={{ left: `${to}%` }}>
                      <Mark category={categoryOf(message.streamName)} />
                    </span>
                  </div>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

const Table = ({ current, nodes, troubles }: ShapeProps) => {
  const inOrder = useMemo(() => nodes.toSorted((a, b) => a.message.globalPosition - b.message.globalPosition), [nodes])
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col" class="num">Position</th>
            <th scope="col">Type</th>
            <th scope="col">Stream</th>
            <th scope="col" class="num">At</th>
            <th scope="col">Written, in UTC</th>
            <th scope="col">Cause</th>
            <th scope="col" class="num">After</th>
          </tr>
        </thead>
        <tbody>
          {inOrder.map((node) => (
            <tr
              key={node.message.globalPosition}
              {...(node.message.globalPosition === current ? { "aria-current": "true" as const } : {})}
            >
              <th scope="row" class="num">
                <PositionLink isRow position={node.message.globalPosition} />
              </th>
              <td class="type">
                <Text>{node.message.type}</Text> <TroubleMark trouble={troubles.get(node.message.globalPosition)} />
              </td>
              <td>
                <StreamLink name={node.message.streamName} />
              </td>
              <td class="num">{number(node.message.position)}</td>
              <td class="fit">
                <At inColumn time={node.message.time} />
              </td>
              <td>{node.cause === undefined ? null : <PositionLink position={node.cause.globalPosition} />}</td>
              <td class="num dim">{waitOf(node)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** The graph comes with the library that lays it out, when it is asked for. */
const LazyGraph = (props: ShapeProps) => {
  const Graph = useSignal<ComponentType<ShapeProps> | "failed" | undefined>(undefined)
  useEffect(() => {
    void import("./Graph.tsx").then((loaded) => {
      Graph.value = loaded.Graph
    }, () => {
      Graph.value = "failed"
    })
  }, [Graph])
  const Loaded = Graph.value
  if (props.nodes.length > maxGraph) {
    return (
      <Empty title={`A graph of ${number(props.nodes.length)} messages shows nothing`}>
        Look at the waterfall, or at a correlation with {maxGraph} messages at most.
      </Empty>
    )
  }
  if (Loaded === "failed") return <Empty title="The graph could not be loaded">Load the page again.</Empty>
  return Loaded === undefined ? <Loading /> : <Loaded {...props} />
}

const shapes = { waterfall: Waterfall, table: Table, graph: LazyGraph } as const

const isShape = (name: string | null): name is keyof typeof shapes => name !== null && Object.hasOwn(shapes, name)

/** All that a correlation has, as far as the store has looked, and the way to look further. */
export const Trace = ({ around, streamName }: {
  readonly streamName: string
  /** The global position of the message that is looked at. */
  readonly around?: number | undefined
}) => {
  const more = useSignal<
    {
      readonly of: string
      readonly messages: ReadonlyArray<Traced>
      readonly through: number
      readonly isComplete: boolean
    } | undefined
  >(
    undefined
  )
  const load = useAnswer(get("/correlations/:streamName", {
    params: { streamName },
    query: { limit: pageSize, around }
  }))
  const troubles = useTroubles()
  const asked = address.value.query.get("as")
  const name = isShape(asked) ? asked : "waterfall"
  const Shape = shapes[name]
  return (
    <section class="panel" aria-label="Trace">
      <div class="title">
        <h2>Trace</h2>
        <span class="dim">
          of <StreamLink name={streamName} />
        </span>
        <div class="tabs" role="group" aria-label="Show as">
          {Object.keys(shapes).map((shape) => (
            <a
              key={shape}
              href={hrefQuery({ as: shape === "waterfall" ? undefined : shape })}
              {...(shape === name ? { "aria-current": "true" as const } : {})}
              aria-keyshortcuts={shape[0] ?? ""}
            >
              {shape}
            </a>
          ))}
        </div>
      </div>
      <Loaded load={load} lines={6}>
        {({ isComplete, lookedFrom, lookedThrough, messages }) => {
          const extra = more.value?.of === streamName ? more.value : undefined
          const all = [...messages, ...extra?.messages ?? []]
          const through = extra?.through ?? lookedThrough
          const isEnd = extra?.isComplete ?? isComplete
          const nodes = tree(all)
          const streams = new Set(all.map(({ message }) => message.streamName)).size
          const lookFurther = async () => {
            const result = await ask(get("/correlations/:streamName", {
              params: { streamName },
              query: { limit: pageSize, after: through, window: 100_000 }
            }))
            if (result?._tag !== "Ok") return
            const found = result.value
            more.value = {
              of: streamName,
              messages: [...extra?.messages ?? [], ...found.messages],
              through: found.lookedThrough,
              isComplete: found.isComplete
            }
          }
          return (
            <>
              <p class="note">
                {counted(all.length, "message")} in {counted(streams, "stream")}
                {nodes.length < 2 ? "" : `, ${duration(spanOf(nodes).length)}`}
                {isEnd ? "" : `; looked at #${number(lookedFrom)} to #${number(through)}`} {isEnd
                  ? null
                  : <button type="button" class="small" onClick={() => void lookFurther()}>Look further</button>}
              </p>
              {nodes.length === 0
                ? (
                  <Empty title="No messages">
                    None that you may read has this correlation, as far as the store has looked.
                  </Empty>
                )
                : <Shape nodes={nodes} troubles={troubles} current={around} />}
            </>
          )
        }}
      </Loaded>
    </section>
  )
}

/** A correlation for itself. */
export const Correlation = ({ params }: { readonly params: Params }) => {
  const streamName = params["stream"] ?? ""
  return (
    <View
      title={`Correlation ${streamName}`}
      heading={
        <>
          Correlation{" "}
          <span class="name">
            <Text>{streamName}</Text>
          </span>
        </>
      }
      facts={<a href={pathOf("/streams/:streamName", { streamName })}>the stream</a>}
    >
      <Trace streamName={streamName} />
    </View>
  )
}
