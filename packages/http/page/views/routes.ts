/**
 * The views, by their addresses. A view takes the parameters of its path, and its filters from the query.
 */
import type { ComponentType } from "preact"
import { applicationRail, applicationRoutes } from "./application.ts"
import { Message } from "./Message.tsx"
import { Messages } from "./Messages.tsx"
import { Now } from "./Now.tsx"
import { Stream } from "./Stream.tsx"
import { Streams } from "./Streams.tsx"
import { Correlation } from "./Trace.tsx"

/** The parameters of a path, decoded. */
export type Params = Readonly<Record<string, string>>

export interface Route {
  readonly path: string
  readonly View: ComponentType<{ readonly params: Params }>
}

export interface RailLink {
  readonly label: string
  /** The first segment of the addresses for which it is the current one. */
  readonly path: string
}

export const routes: ReadonlyArray<Route> = [
  { path: "", View: Now },
  { path: "streams", View: Streams },
  { path: "streams/:stream", View: Stream },
  { path: "messages", View: Messages },
  { path: "messages/:position", View: Message },
  { path: "correlations/:stream", View: Correlation },
  ...applicationRoutes
]

export const rail: ReadonlyArray<RailLink> = [
  { label: "Now", path: "" },
  { label: "Streams", path: "streams" },
  { label: "Messages", path: "messages" },
  ...applicationRail
]

const match = (path: string, segments: ReadonlyArray<string>): Params | undefined => {
  const parts = path.split("/").filter((one) => one !== "")
  if (parts.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, part] of parts.entries()) {
    const segment = segments[index] ?? ""
    if (part.startsWith(":")) params[part.slice(1)] = segment
    else if (part !== segment) return undefined
  }
  return params
}

/** The view of an address. */
export const viewOf = (
  segments: ReadonlyArray<string>
): { readonly View: Route["View"]; readonly params: Params; readonly path: string } | undefined => {
  for (const { path, View } of routes) {
    const params = match(path, segments)
    if (params !== undefined) return { View, params, path }
  }
  return undefined
}
