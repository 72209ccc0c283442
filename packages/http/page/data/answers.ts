/**
 * Answers for components: one question each, the last answers kept for the way back.
 */
import { useEffect, useRef, useState } from "preact/hooks"
import { ask, type Problem, type Request, token } from "./client.ts"

export interface Load<A> {
  /** The answer; while a new one is on its way, the one before it of the same route. */
  readonly value: A | undefined
  readonly problem: Problem | undefined
  /** Whether an answer is on its way. */
  readonly isLoading: boolean
  /** Asks again. */
  readonly reload: () => void
}

/** As many as a person goes back through. */
const kept = new Map<string, unknown>()
const maxKept = 60

const keep = (key: string, value: unknown): void => {
  kept.delete(key)
  kept.set(key, value)
  for (const oldest of kept.keys()) {
    if (kept.size <= maxKept) return
    kept.delete(oldest)
  }
}

token.subscribe(() => kept.clear())

interface State {
  readonly key: string
  readonly route: string
  readonly value: unknown
  readonly problem: Problem | undefined
  readonly isLoading: boolean
}

/** Asks when the request changes. Without a request it asks nothing. */
export const useAnswer = <A>(request: Request<A> | undefined): Load<A> => {
  const key = request === undefined ? "" : request.path
  const route = request?.route ?? ""
  const [state, setState] = useState<State | undefined>(undefined)
  const [round, setRound] = useState(0)
  const current = useRef<Request<A> | undefined>(request)
  current.current = request
  const sent = token.value
  useEffect(() => {
    const asked = current.current
    if (asked === undefined) return undefined
    const controller = new AbortController()
    void ask(asked, controller.signal).then((result) => {
      if (result === undefined || controller.signal.aborted) return
      if (result._tag === "Ok") keep(key, result.value)
      setState({
        key,
        route,
        isLoading: false,
        value: result._tag === "Ok" ? result.value : undefined,
        problem: result._tag === "Ok" ? undefined : result.problem
      })
    })
    return () => controller.abort()
  }, [key, route, round, sent])
  const reload = () => {
    setState((before) => before === undefined ? before : { ...before, isLoading: true })
    setRound((before) => before + 1)
  }
  if (request === undefined) return { value: undefined, problem: undefined, isLoading: false, reload }
  const isCurrent = state?.key === key
  // What was answered to this request before, or to the one before it on the same route, so that nothing jumps. The types are those of
  // the route.
  const value = (isCurrent ? state.value : kept.get(key) ?? (state?.route === route ? state.value : undefined)) as
    | A
    | undefined
  return { value, problem: isCurrent ? state.problem : undefined, isLoading: !isCurrent || state.isLoading, reload }
}
