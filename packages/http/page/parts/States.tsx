/**
 * What a view shows while it has nothing, has lost something, or was refused something.
 */
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { useEffect } from "preact/hooks"
import type { Load } from "../data/answers.ts"
import type { Problem } from "../data/client.ts"

/** Lines in the place of what is on its way, after a moment: what is quick should not flicker. */
export const Loading = ({ lines = 8 }: { readonly lines?: number }) => {
  const isShown = useSignal(false)
  useEffect(() => {
    const wait = setTimeout(() => {
      isShown.value = true
    }, 200)
    return () => clearTimeout(wait)
  }, [isShown])
  return (
    <div class={isShown.value ? "skeleton" : "skeleton quiet"} role="status">
      <span class="unseen">{isShown.value ? "Loading" : ""}</span>
      {Array.from({ length: lines }, (_, index) => <div key={index} />)}
    </div>
  )
}

/** There is nothing, and why. */
export const Empty = ({ children, title }: { readonly title: string; readonly children?: ComponentChildren }) => (
  <div class="empty">
    <p class="what">{title}</p>
    {children === undefined ? null : <p class="dim">{children}</p>}
  </div>
)

/** The program of the server has registered none, and where they would come from. */
export const NotLoaded = ({ things }: { readonly things: string }) => (
  <Empty title={`No ${things} are loaded here`}>
    Serve the page from a program that registers them with Observe.layer.
  </Empty>
)

/** What would be right after a problem. */
const advice: Readonly<Record<string, string>> = {
  unreachable: "Start it again; this page stays as it is.",
  unauthorized: "Give a token: the button is above.",
  forbidden: "Use a token that covers it.",
  unavailable: "Try again in a moment.",
  "too-many-requests": "Try again in a moment.",
  "definition-not-loaded": "Serve it from a program that registers its definitions with Observe.layer.",
  unsupported: "Another store has it, such as PostgreSQL with the schema eventfold."
}

/** Something went wrong: what, and what would be right. */
export const Failure = (
  { problem, retry }: { readonly problem: Problem; readonly retry?: (() => void) | undefined }
) => (
  <div class="failure" role="alert">
    <p class="what">{problem.title}</p>
    {problem.detail === undefined ? null : <p>{problem.detail}</p>}
    <p class="dim">
      {advice[problem.type] ?? ""}
      {problem.status === 0 ? "" : ` ${problem.status} ${problem.type}`}
    </p>
    {retry === undefined ? null : <button type="button" onClick={retry}>Try again</button>}
  </div>
)

/** Shows an answer when it is there, what is missing when not, and both when a newer one failed. */
export function Loaded<A>({ children, lines, load }: {
  readonly load: Load<A>
  readonly children: (value: A) => ComponentChildren
  readonly lines?: number
}) {
  return (
    <div class="loaded" aria-busy={load.isLoading}>
      {load.problem === undefined ? null : <Failure problem={load.problem} retry={load.reload} />}
      {load.value === undefined
        ? load.problem === undefined ? <Loading {...(lines === undefined ? {} : { lines })} /> : null
        : children(load.value)}
    </div>
  )
}
