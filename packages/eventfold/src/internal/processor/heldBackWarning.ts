import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HeldBack from "../../HeldBack.ts"
import { log } from "../runtime/log.ts"
import type { Subject } from "./subject.ts"

/** Warn when a reader has been held back this long. */
const patience = Duration.toMillis("5 seconds")

const keyOf = ({ pid, preparedAs, since }: HeldBack.Writer): string => JSON.stringify([pid, preparedAs, since])

/** Watches the transactions that hold back a reader, and warns once about each that does so for long. */
export interface HeldBackWarning {
  /** What holds back the reader, by the last observation. */
  readonly current: () => Option.Option<HeldBack.HeldBack>
  readonly observe: (heldBack: Option.Option<HeldBack.HeldBack>) => Effect.Effect<void>
}

export const make = ({ kind, logged }: Subject): HeldBackWarning => {
  let current: Option.Option<HeldBack.HeldBack> = Option.none()
  /** When each transaction was first seen, in milliseconds; `undefined` once the warning about it is out. */
  let writers = new Map<string, number | undefined>()

  const warn = Effect.fnUntraced(function*(heldBack: HeldBack.HeldBack) {
    const now = yield* Clock.currentTimeMillis
    const keys = new Set(heldBack.writers.map(keyOf))
    writers = new Map(Array.from(keys, (key) => [key, writers.has(key) ? writers.get(key) : now]))
    const due = Array.from(writers).filter(([, since]) => since !== undefined && now - since >= patience)
    if (due.length === 0) return
    for (const [key] of due) writers.set(key, undefined)
    yield* log("Warn", `${kind} is held back by an open transaction`, {
      ...logged,
      heldBack: HeldBack.format(heldBack)
    })
  })

  return {
    current: () => current,
    observe: (heldBack) =>
      Effect.suspend(() => {
        current = heldBack
        if (Option.isSome(heldBack)) return warn(heldBack.value)
        if (writers.size > 0) writers = new Map()
        return Effect.void
      })
  }
}
