import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { MessageStore } from "../../MessageStore.ts"
import type { Lease } from "../../StoreBackend.ts"
import type { StoreError } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import { untilBack } from "./outage.ts"
import type { Subject } from "./subject.ts"

/** How long to wait for a lease that somebody else holds before the next try. */
const interval = "1 second"

/** Waits for a lease. Says so once when somebody else has it. */
export const leased = Effect.fnUntraced(function*(
  subject: Subject,
  name: string
): Effect.fn.Return<Lease, StoreError, MessageStore | Scope.Scope> {
  const store = yield* MessageStore
  let isTold = false
  while (true) {
    // One step when nobody has it.
    const lease = yield* untilBack(subject)(store.lease(name))
    if (Option.isSome(lease)) return lease.value
    if (!isTold) yield* log("Info", `a ${subject.kind} waits for its turn: another process runs it`, subject.logged)
    isTold = true
    yield* Effect.sleep(interval)
  }
})
