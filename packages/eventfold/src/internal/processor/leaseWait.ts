import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { MessageStore } from "../../MessageStore.ts"
import type { Lease } from "../../StoreBackend.ts"
import type { StoreError, Unsupported } from "../../StoreError.ts"
import { log } from "../runtime/log.ts"
import { retryOutages } from "./outage.ts"
import type { Subject } from "./subject.ts"

/** The pause between two attempts to acquire a lease that another process holds. */
const leaseInterval = "1 second"

/** Waits until this process holds a lease, which it keeps until the scope closes. Logs once that another one holds it. */
export const acquireLease = Effect.fnUntraced(function*(
  subject: Subject,
  name: string
): Effect.fn.Return<Lease, Unsupported | StoreError, MessageStore | Scope.Scope> {
  const store = yield* MessageStore
  let isLogged = false
  while (true) {
    const lease = yield* retryOutages(subject)(store.lease(name))
    if (Option.isSome(lease)) return lease.value
    if (!isLogged) yield* log("Info", `${subject.kind} waits: another process runs it`, subject.logged)
    isLogged = true
    yield* Effect.sleep(leaseInterval)
  }
})
