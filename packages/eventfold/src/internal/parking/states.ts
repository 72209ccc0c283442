import * as HashMap from "effect/HashMap"
import type { FailureReport } from "../../FailureReport.ts"
import { type Event, readReason } from "./category.ts"

/** What a consumer remembers of a parked stream: as much for a thousand waiting messages as for one. */
export interface Summary {
  /** How many messages wait. */
  readonly waiting: number
  /**
   * The highest global position that was ever parked. The messages of a stream are parked in order, so each of them up to
   * here was handled, is settled, or waits.
   */
  readonly through: number
  /** How many of the waiting messages a replay was requested for. */
  readonly requested: number
}

/** A message that waits in a parked stream. */
export interface WaitingMessage {
  readonly streamName: string
  readonly position: number
  readonly globalPosition: number
  readonly messageId: string
  readonly type: string
  /** Why it failed last. A message that waits behind another has no failure. */
  readonly failure: FailureReport | undefined
  readonly attempts: number
}

/** A parked stream with the messages that wait in it, by global position. */
export interface Contents {
  readonly summary: Summary
  readonly messages: HashMap.HashMap<number, WaitingMessage>
}

/** How the events of a parked stream become a state. */
export interface Folding<S, E = Event> {
  readonly initial: S
  readonly evolve: (state: S, event: E) => S
}

/** More messages than can wait: a request for it is fulfilled when none is left. */
const all = Number.MAX_SAFE_INTEGER

const left = (summary: Summary, waiting: number, requested: number): Summary => ({
  ...summary,
  waiting,
  requested: waiting === 0 ? 0 : requested
})

const summarize = (state: Summary, { data, type }: Event): Summary => {
  switch (type) {
    case "Parked":
      return { ...state, waiting: state.waiting + 1, through: Math.max(state.through, data.globalPosition) }
    case "ReplayRequested":
      return { ...state, requested: data.limit === undefined ? all : Math.min(state.requested + data.limit, all) }
    case "Replayed":
      return left(state, state.waiting - 1, state.requested - 1)
    case "Failed":
      return { ...state, requested: 0 }
    case "Dropped":
      return left(state, data.globalPosition === undefined ? 0 : state.waiting - 1, state.requested)
  }
}

const waitingMessage = (data: Extract<Event, { readonly type: "Parked" }>["data"]): WaitingMessage => {
  const { attempts, globalPosition, messageId, position, streamName, type } = data
  return { streamName, position, globalPosition, messageId, type, failure: readReason(data), attempts }
}

const collect = (messages: Contents["messages"], { data, type }: Event): Contents["messages"] => {
  switch (type) {
    case "Parked":
      return HashMap.set(messages, data.globalPosition, waitingMessage(data))
    case "ReplayRequested":
      return messages
    case "Replayed":
      return HashMap.remove(messages, data.globalPosition)
    case "Failed":
      return HashMap.modify(messages, data.globalPosition, (waiting) => ({
        ...waiting,
        failure: readReason(data),
        attempts: waiting.attempts + data.attempts
      }))
    case "Dropped":
      return data.globalPosition === undefined ? HashMap.empty() : HashMap.remove(messages, data.globalPosition)
  }
}

export const summary: Folding<Summary> = {
  initial: { waiting: 0, through: 0, requested: 0 },
  evolve: summarize
}

export const contents: Folding<Contents> = {
  initial: { summary: summary.initial, messages: HashMap.empty() },
  evolve: (state, event) => ({
    summary: summarize(state.summary, event),
    messages: collect(state.messages, event)
  })
}

/** The messages that wait, oldest first. */
export const oldestFirst = ({ messages }: Contents): ReadonlyArray<WaitingMessage> =>
  [...HashMap.values(messages)].toSorted((a, b) => a.globalPosition - b.globalPosition)
