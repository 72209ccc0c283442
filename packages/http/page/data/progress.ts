/**
 * Follows a request whose answer tells of what it does, which runs as long as one follows it.
 */
import { useSignal } from "@preact/signals"
import { createParser } from "eventsource-parser"
import { useEffect, useRef } from "preact/hooks"
import { type Problem, problemOf, problemOfFields, type Request, send } from "./client.ts"
import { parse } from "./exact.ts"
import type { Event } from "./feed.ts"
import { entriesOf } from "./paths.ts"

/** Sends the request, and gives each event of its answer. Gives the problem when it is refused, or when the answer breaks off. */
const followOnce = async (
  request: Request<unknown>,
  onEvent: (event: Event) => void,
  signal: AbortSignal
): Promise<Problem | undefined> => {
  try {
    const answer = await send(request.path, {
      method: request.method,
      accept: "text/event-stream",
      signal,
      headers: { "content-type": "application/json" },
      ...(request.body === undefined ? {} : { body: request.body })
    })
    if (!answer.ok || answer.body === null) return await problemOf(answer)
    const parser = createParser({ onEvent: ({ data, event = "message" }) => onEvent({ event, data: parse(data) }) })
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return undefined
      parser.feed(value)
    }
  } catch {
    return signal.aborted ? undefined : {
      status: 0,
      type: "unreachable",
      title: "The connection broke off",
      detail: "What was done so far stays; the next one goes on from there.",
      fields: {}
    }
  }
}

/** Something that runs, or has run, with what it has told so far. */
export interface Run<S> {
  readonly told: S
  readonly problem: Problem | undefined
  readonly isOver: boolean
}

/** Runs one thing at a time, as long as the component is there. */
export const useRun = <S>(onEnd: () => void = () => {}) => {
  const run = useSignal<Run<S> | undefined>(undefined)
  const controller = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => controller.current?.abort(), [])
  const begin = (request: Request<unknown>, first: S, next: (told: S, event: Event) => S): void => {
    controller.current?.abort()
    const own = new AbortController()
    controller.current = own
    run.value = { told: first, problem: undefined, isOver: false }
    const change = (part: (before: Run<S>) => Partial<Run<S>>) => {
      if (controller.current === own && run.value !== undefined) run.value = { ...run.value, ...part(run.value) }
    }
    void followOnce(request, (event) => {
      if (event.event === "failed") change(() => ({ problem: problemOfFields(entriesOf(event.data)) }))
      else change(({ told }) => ({ told: next(told, event) }))
    }, own.signal).then((problem) => {
      change((before) => ({ isOver: true, problem: problem ?? before.problem }))
      onEnd()
    })
  }
  return { run: run.value, begin, stop: () => controller.current?.abort() }
}
