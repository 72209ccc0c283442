/**
 * Asks the API. What goes wrong is a value.
 */
import { signal } from "@preact/signals"
import type { Answer, DeletePath, GetPath, Params, Payload, PostPath, Query } from "./api.ts"
import { learnTime } from "./clock.ts"
import { parse } from "./exact.ts"
import { entriesOf, pathOf } from "./paths.ts"

export { pathOf } from "./paths.ts"

/** A question: its address, and what the answer is. */
export interface Request<A> {
  readonly path: string
  /** The route, such as `/streams/:streamName`: answers of one route look alike. */
  readonly route: string
  readonly method: "GET" | "POST" | "DELETE"
  readonly body?: string
  /** Nothing has it: it tells the type of the answer. */
  readonly "~answer"?: A
}

/** What the API refuses, or what kept it from answering: then the status is 0. */
export interface Problem {
  readonly status: number
  /** The name after `urn:eventfold:problem:`, or `unreachable`. */
  readonly type: string
  readonly title: string
  readonly detail?: string | undefined
  /** All that the problem says. */
  readonly fields: Readonly<Record<string, unknown>>
}

export type Result<A> =
  | { readonly _tag: "Ok"; readonly value: A }
  | { readonly _tag: "Failed"; readonly problem: Problem }

const stored = "eventfold.token"

/** The token of this tab; it is forgotten with the tab. */
export const token = signal(sessionStorage.getItem(stored) ?? "")

/** Whether the API has refused a request for want of a known token. */
export const isUnknown = signal(false)

export const setToken = (value: string): void => {
  if (value === "") sessionStorage.removeItem(stored)
  else sessionStorage.setItem(stored, value)
  isUnknown.value = false
  token.value = value
}

/** Where the page is mounted, absolute. `main.tsx` has fixed it before the address changes. */
export const base = new URL(document.baseURI)

interface Parts<P, Q> {
  readonly params?: P
  readonly query?: Q
}

/** Asks a path. */
export const get = <Path extends GetPath>(
  route: Path,
  { params, query }: Parts<Params<Path>, Query<"GET", Path>> = {}
): Request<Answer<"GET", Path>> => ({ method: "GET", route, path: pathOf(route, params, query) })

/** Has something done. */
export const post = <Path extends PostPath>(
  route: Path,
  { body, params, query }: Parts<Params<Path>, Query<"POST", Path>> & { readonly body?: Payload<Path> }
): Request<Answer<"POST", Path>> => ({
  method: "POST",
  route,
  path: pathOf(route, params, query),
  body: JSON.stringify(body ?? {})
})

/** Has something deleted. */
export const remove = <Path extends DeletePath>(
  route: Path,
  { params, query }: Parts<Params<Path>, Query<"DELETE", Path>>
): Request<Answer<"DELETE", Path>> => ({ method: "DELETE", route, path: pathOf(route, params, query) })

const prefix = "urn:eventfold:problem:"

const text = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

/** The problem that its fields say, where the status says nothing else. */
export const problemOfFields = (fields: Readonly<Record<string, unknown>>, status = 0): Problem => {
  const told = typeof fields["status"] === "number" ? fields["status"] : status
  return {
    status: told,
    type: text(fields["type"])?.replace(prefix, "") ?? "unknown",
    title: text(fields["title"]) ?? `The server answered ${told}`,
    detail: text(fields["detail"]),
    fields
  }
}

/** The problem that an answer is. */
export const problemOf = async (answer: Response): Promise<Problem> =>
  problemOfFields(await answer.text().then(parse).then(entriesOf, () => entriesOf(undefined)), answer.status)

const unreachable: Problem = {
  status: 0,
  type: "unreachable",
  title: "The server does not answer",
  detail: "It has stopped, or the network is away.",
  fields: {}
}

/** Sends a request with the token. Fails as `fetch` does when there is no answer. */
export const send = async (path: string, init: RequestInit & { readonly accept: string }): Promise<Response> => {
  const { accept, headers, ...rest } = init
  const sent = token.value
  const answer = await fetch(new URL(path, base), {
    ...rest,
    cache: "no-store",
    headers: { accept, ...headers, ...(sent === "" ? {} : { authorization: `Bearer ${sent}` }) }
  })
  learnTime(answer.headers.get("date"))
  if (answer.status === 401 && sent === token.value) isUnknown.value = true
  return answer
}

/** Asks, and gives what was answered. An interrupted question has no answer. */
export const ask = async <A>(request: Request<A>, signal?: AbortSignal): Promise<Result<A> | undefined> => {
  try {
    const answer = await send(request.path, {
      method: request.method,
      accept: "application/json",
      ...(request.body === undefined ? {} : { body: request.body, headers: { "content-type": "application/json" } }),
      ...(signal === undefined ? {} : { signal })
    })
    if (!answer.ok) return { _tag: "Failed", problem: await problemOf(answer) }
    const body = await answer.text()
    // The API's own tests hold its answers against its schemas, which these types are of.
    return { _tag: "Ok", value: (body === "" ? undefined : parse(body)) as A }
  } catch {
    return signal?.aborted === true ? undefined : { _tag: "Failed", problem: unreachable }
  }
}
