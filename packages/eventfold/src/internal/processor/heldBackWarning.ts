import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HeldBack from "../../HeldBack.ts"
import { log } from "../runtime/log.ts"
import type { Subject } from "./subject.ts"

/** How long somebody may hold a reader up before it is said. */
const patience = Duration.toMillis("5 seconds")

const keyOf = ({ pid, preparedAs, since }: HeldBack.Writer): string => JSON.stringify([pid, preparedAs, since])

/** Follows who holds a reader up, and says so once of each who does for long. */
export const make = ({ kind, logged }: Subject) => {
  let current: Option.Option<HeldBack.HeldBack> = Option.none()
  /** Since when, in milliseconds; of whom it has been said, none. */
  let holders = new Map<string, number | undefined>()
  return {
    current: () => current,
    look: Effect.fnUntraced(function*(heldBack: Option.Option<HeldBack.HeldBack>) {
      current = heldBack
      if (Option.isNone(heldBack)) {
        if (holders.size > 0) holders = new Map()
        return
      }
      const now = yield* Clock.currentTimeMillis
      const keys = new Set(heldBack.value.writers.map(keyOf))
      holders = new Map(Array.from(keys, (key) => [key, holders.has(key) ? holders.get(key) : now]))
      const due = Array.from(holders).filter(([, since]) => since !== undefined && now - since >= patience)
      if (due.length === 0) return
      for (const [key] of due) holders.set(key, undefined)
      yield* log("Warn", `a ${kind} is held up by a transaction that has not ended`, {
        ...logged,
        heldBack: HeldBack.format(heldBack.value)
      })
    })
  }
}
