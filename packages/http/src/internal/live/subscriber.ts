/**
 * One live client: the bytes that wait for it, and how far it is. It never makes others wait. What waits is bounded, and a client
 * that leaves it lying is cut off.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import type { ReadAllError, ReadCategoryError, ReadStreamError } from "eventfold/MessageStore"
import type { Unsupported } from "eventfold/StoreError"
import type { PositionAhead } from "../../Problem.ts"
import type { Format, Place } from "./frames.ts"
import { keyOf, type Selection } from "./selection.ts"

/** How reading for a live client can fail. */
export type LiveError =
  | PositionAhead
  | Exclude<ReadStreamError, Unsupported>
  | ReadCategoryError
  | ReadAllError

/** What a client may leave lying, and how long. */
export interface Limits {
  /** How many bytes may wait for a client. A single chunk may be larger. */
  readonly queueBytes: number
  /**
   * A client whose queue is full is cut off when it has taken nothing for this many milliseconds. One that has taken something
   * reads the log by itself from there, at its own pace: so a burst does not cut off those who keep up.
   */
  readonly patience: number
  /** A client that has taken nothing for this many milliseconds is cut off even when its queue is not full. */
  readonly stalled: number
}

/** Bytes, and where the client is when it has them. */
interface Chunk {
  readonly bytes: Uint8Array
  readonly position: number
}

/**
 * - `behind`: reads pages of its own.
 * - `joined`: gets what the shared follower reads.
 * - `ended`: gets nothing more.
 */
type State = "behind" | "joined" | "ended"

/** Makes the bytes of a heartbeat. */
export type HeartbeatBytes = (place: Place, format: Format) => Uint8Array

type Bytes = NonEmptyReadonlyArray<Uint8Array>

export interface Subscriber {
  readonly selection: Selection
  readonly key: string
  readonly format: Format
  /** Gives what waits, or waits for it. Ends when the subscriber ends. */
  readonly pull: Pull.Pull<Bytes, LiveError>
  /** The position up to which the client has everything that it selects, once it has taken what waits. */
  readonly position: () => number
  /** Whether the client has taken everything, and waits for more. */
  readonly isIdle: () => boolean
  /** Why the client was cut off; `undefined` when it was not. */
  readonly cutOff: () => string | undefined
  /** Completes while the client is behind and nothing waits for it: then its next page is wanted. */
  readonly wantsPage: Effect.Effect<void>
  /** Whether bytes wait for the client to take them. */
  readonly hasQueue: () => boolean
  /** Adds bytes. Gives false when the queue is full: then the client is behind again, or cut off. */
  readonly offer: (bytes: Uint8Array, position: number) => boolean
  /** Adds a heartbeat of the client's place, however full the queue is. */
  readonly heartbeat: (bytes: HeartbeatBytes) => void
  /** Notes a position up to which nothing more is to come, when it is higher. */
  readonly advance: (position: number) => void
  readonly join: () => void
  /** Goes back to reading pages, from what the client has taken. */
  readonly fallBehind: () => void
  readonly end: () => void
  readonly fail: (cause: Cause.Cause<LiveError>) => void
  /** Ends the response even when the client reads nothing. */
  readonly cut: (reason: string) => void
  readonly cutWhenStalled: () => void
}

export const make = (
  selection: Selection,
  format: Format,
  start: number,
  limits: Limits,
  clock: Clock.Clock
): Subscriber => {
  const wantsPage = Latch.makeUnsafe(true)
  let state: State = "behind"
  let failure: Cause.Cause<LiveError> | undefined
  let cutOff: string | undefined
  let queue: Array<Chunk> = []
  let queued = 0
  /** Where the client is when it has taken all that waits. */
  let position = start
  /** Where it is by what it has taken. */
  let taken = start
  let takenAt = clock.currentTimeMillisUnsafe()
  let waiting: ((taken: Pull.Pull<Bytes, LiveError>) => void) | undefined
  /** The fiber that writes the response. Only its interruption ends a write that waits for a client. */
  let writer: Fiber.Fiber<unknown, unknown> | undefined

  /** Also closes the latch as the first page of a client that is behind arrives. */
  const updateLatch = () => {
    if (state === "behind" && queue.length === 0) wantsPage.openUnsafe()
    else wantsPage.closeUnsafe()
  }

  const resume = (pull: Pull.Pull<Bytes, LiveError>): boolean => {
    if (waiting === undefined) return false
    const resume = waiting
    waiting = undefined
    resume(pull)
    return true
  }

  const ended = (): Pull.Pull<never, LiveError> => failure === undefined ? Cause.done() : Effect.failCause(failure)

  const end = () => {
    if (state === "ended") return
    state = "ended"
    queue = []
    queued = 0
    updateLatch()
    resume(ended())
  }

  const cut = (reason: string) => {
    if (state === "ended" && waiting !== undefined) return
    cutOff ??= reason
    end()
    writer?.interruptUnsafe()
  }

  const sinceTaken = () => clock.currentTimeMillisUnsafe() - takenAt

  const fallBehind = () => {
    if (state === "ended") return
    state = "behind"
    queue = []
    queued = 0
    position = taken
    updateLatch()
  }

  const add = (bytes: Uint8Array) => {
    if (resume(Effect.succeed([bytes]))) {
      taken = position
      takenAt = clock.currentTimeMillisUnsafe()
      return
    }
    queue.push({ bytes, position })
    queued += bytes.length
    updateLatch()
  }

  const offer = (bytes: Uint8Array, next: number): boolean => {
    if (state === "ended") return false
    if (queue.length > 0 && queued + bytes.length > limits.queueBytes) {
      if (sinceTaken() >= limits.patience) cut("its queue is full")
      else fallBehind()
      return false
    }
    position = Math.max(position, next)
    add(bytes)
    return true
  }

  const takeAll = (first: Chunk): Pull.Pull<Bytes, LiveError> => {
    const [, ...others] = queue
    taken = queue.at(-1)?.position ?? first.position
    queue = []
    queued = 0
    updateLatch()
    return Effect.succeed([first.bytes, ...others.map(({ bytes }) => bytes)])
  }

  const pull: Pull.Pull<Bytes, LiveError> = Effect.withFiber((fiber) => {
    writer = fiber
    takenAt = clock.currentTimeMillisUnsafe()
    const first = queue[0]
    if (first !== undefined) return takeAll(first)
    if (state === "ended") return ended()
    return Effect.callback<Bytes, LiveError | Cause.Done>((resume) => {
      waiting = resume
      return Effect.sync(() => {
        waiting = undefined
      })
    })
  })

  return {
    selection,
    key: keyOf(selection),
    format,
    pull,
    position: () => position,
    hasQueue: () => queue.length > 0,
    isIdle: () => waiting !== undefined,
    cutOff: () => cutOff,
    wantsPage: wantsPage.await,
    offer,
    advance: (next) => {
      position = Math.max(position, next)
    },
    join: () => {
      if (state === "ended") return
      state = "joined"
      updateLatch()
    },
    fallBehind,
    heartbeat: (bytes) => {
      if (state !== "ended") add(bytes({ position, caughtUp: state === "joined" }, format))
    },
    end,
    fail: (cause) => {
      failure = cause
      end()
    },
    cut,
    cutWhenStalled: () => {
      if (waiting === undefined && sinceTaken() >= limits.stalled) cut("it reads nothing")
    }
  }
}
