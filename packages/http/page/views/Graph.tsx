/**
 * A graph of causes and effects. It is loaded when one asks for it.
 */
import { Graph as Layout, layout } from "@dagrejs/dagre"
import { useMemo } from "preact/hooks"
import { pathOf } from "../data/client.ts"
import { categoryOf, Text } from "../parts/Names.tsx"
import { type Node, waitOf } from "./causes.ts"

const size = { width: 190, height: 44 }

const cut = (text: string, length: number): string => text.length > length ? `${text.slice(0, length - 1)}…` : text

interface Place {
  readonly x: number
  readonly y: number
}

const isPlace = (value: unknown): value is Place =>
  typeof value === "object" && value !== null && "x" in value && typeof value.x === "number" && "y" in value &&
  typeof value.y === "number"

const laidOut = (nodes: ReadonlyArray<Node>) => {
  const graph = new Layout()
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 56, marginx: 12, marginy: 12 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { message } of nodes) graph.setNode(String(message.globalPosition), { ...size })
  for (const { cause, message } of nodes) {
    if (cause !== undefined) graph.setEdge(String(cause.globalPosition), String(message.globalPosition))
  }
  layout(graph)
  const places = new Map<number, Place>()
  for (const { message } of nodes) {
    const place: unknown = graph.node(String(message.globalPosition))
    if (isPlace(place)) places.set(message.globalPosition, place)
  }
  return places
}

export const Graph = (
  { current, nodes }: { readonly nodes: ReadonlyArray<Node>; readonly current: number | undefined }
) => {
  const places = useMemo(() => laidOut(nodes), [nodes])
  const width = Math.max(...[...places.values()].map(({ x }) => x)) + size.width / 2 + 12
  const height = Math.max(...[...places.values()].map(({ y }) => y)) + size.height / 2 + 12
  return (
    <div class="graph scroll" tabIndex={0} role="group" aria-label="Graph of causes and effects">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        {nodes.map(({ cause, message }) => {
          const [from, to] = [
            cause === undefined ? undefined : places.get(cause.globalPosition),
            places.get(message.globalPosition)
          ]
          if (from === undefined || to === undefined) return null
          const [x1, x2] = [from.x + size.width / 2, to.x - size.width / 2]
          const middle = (x1 + x2) / 2
          return (
            <path
              key={message.globalPosition}
              class="edge"
              d={`M${x1} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${x2} ${to.y}`}
            />
          )
        })}
        {nodes.map((node) => {
          const { message } = node
          const place = places.get(message.globalPosition)
          return place === undefined ? null : (
            <a
              key={message.globalPosition}
              data-row
              href={pathOf("/messages/:position", { position: message.globalPosition })}
              class={message.globalPosition === current ? "node current" : "node"}
              aria-label={`${message.type} in ${message.streamName}`}
            >
              <rect x={place.x - size.width / 2} y={place.y - size.height / 2} {...size} rx={6} />
              <text x={place.x - size.width / 2 + 10} y={place.y - 4} class="type">
                <Text>{cut(message.type, 17)}</Text>
              </text>
              <text x={place.x + size.width / 2 - 8} y={place.y - 4} class="after">{waitOf(node)}</text>
              <text x={place.x - size.width / 2 + 10} y={place.y + 13} class="of">{cut(message.streamName, 26)}</text>
              <title>{`${message.type} in ${message.streamName}, of ${categoryOf(message.streamName)}`}</title>
            </a>
          )
        })}
      </svg>
    </div>
  )
}
