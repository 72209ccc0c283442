/** A live client of a hub, in the process: what it has received, as events. */
import { Effect, Fiber, Scope, Stream } from "effect"
import type { Exit } from "effect"
import type * as Hub from "../../src/internal/live/hub.ts"

/** A message, or a heartbeat, as a client sees it. */
export interface Received {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/** The events in the text of an SSE response. */
export const parseSse = (text: string): ReadonlyArray<Received> =>
  text.split("\n\n").slice(0, -1).map((block) => {
    const field = (name: string) =>
      block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
    return { event: field("event") ?? "message", id: field("id"), data: field("data") ?? "" }
  })

export interface Watching {
  /** How many chunks have come. */
  readonly chunks: () => number
  readonly text: () => string
  readonly events: () => ReadonlyArray<Received>
  /** The ids of the messages, without the heartbeats. */
  readonly ids: () => ReadonlyArray<number>
  readonly heartbeats: () => ReadonlyArray<string>
  readonly exit: Effect.Effect<Exit.Exit<void, unknown>>
  readonly isOver: () => boolean
  readonly leave: Effect.Effect<void>
}

/** Opens a live response and reads it. `slowly` runs before each chunk is taken. */
export const watch = Effect.fnUntraced(function*(
  hub: Hub.Hub["Service"],
  request: Hub.Request,
  slowly: Effect.Effect<void> = Effect.void
) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const bytes = yield* Scope.provide(hub.open(request), scope)
  let text = ""
  let chunks = 0
  const decoder = new TextDecoder()
  const fiber = yield* bytes.pipe(
    Stream.runForEachArray((array) =>
      Effect.andThen(
        Effect.sync(() => {
          chunks++
          for (const chunk of array) text += decoder.decode(chunk)
        }),
        slowly
      )
    ),
    Effect.onExit((exit) => Scope.close(scope, exit)),
    Effect.forkScoped
  )
  const events = () => parseSse(text)
  const watching: Watching = {
    chunks: () => chunks,
    text: () => text,
    events,
    ids: () => events().filter(({ event }) => event === "message").map(({ id }) => Number(id)),
    heartbeats: () => events().filter(({ event }) => event === "heartbeat").map(({ data }) => data),
    exit: Fiber.await(fiber),
    isOver: () => fiber.pollUnsafe() !== undefined,
    leave: Fiber.interrupt(fiber)
  }
  return watching
})

/** Lets all fibers run that can. */
export const settle = Effect.forEach(Array.from({ length: 60 }), () => Effect.yieldNow, { discard: true })
