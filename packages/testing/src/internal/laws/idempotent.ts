import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { showEvents, showGiven, showRefusal, showWhen } from "../report/format.ts"
import { decideOn, type DecideResult } from "../spec/decide.ts"
import { shown, toArray, unrecorded } from "../spec/recordEvents.ts"
import { type Broken, broken, type Fault } from "./check.ts"

/** A decision that is made again, on the state after its own events, decides nothing new. */
export const idempotent = <
  E extends Category.Events,
  O extends Category.Options,
  S,
  A extends DecideResult<Category.Event<Category.Category<E, O>>>
>(
  entity: Entity.Entity<Category.Category<E, O>, S>,
  decide: (state: S, version: Option.Option<number>) => A,
  given: Entity.Decision<Category.Event<Category.Category<E, O>>>
): Effect.Effect<void, Broken, Entity.RequirementsOf<A> | Category.Services<Category.Category<E, O>>> =>
  Effect.gen(function*() {
    const history = toArray(given)
    const story = ["expected no new events when decided again", showGiven(history)]
    const fail = (line: string, diff?: Omit<Fault, "reasons">) => Effect.fail(broken([...story, line], history, diff))
    const refusedByStore = ({ reason, role }: { readonly reason: string; readonly role: string }) =>
      fail(`but a store would refuse the ${role} events: ${reason}`)

    /** Decides, and adds that to the story. */
    const decideAfter = Effect.fnUntraced(function*(events: typeof history, time: string) {
      const { before, outcome, version } = yield* Effect.catch(decideOn(entity, events, decide), refusedByStore)
      story.push(showWhen(decide, before, version))
      if (outcome._tag === "Refused") {
        return yield* fail(`but the decision was refused the ${time} time: ${showRefusal(outcome.refusal)}`)
      }
      if (outcome._tag === "Unrecordable") return yield* refusedByStore(outcome)
      return outcome
    })

    const first = yield* decideAfter(history, "first")
    const second = yield* decideAfter(first.isNew ? [...history, ...first.events.map(unrecorded)] : history, "second")
    if (!second.isNew) return
    const events = second.events.map((event) => shown(event))
    return yield* fail(`but got ${showEvents(events)}`, { actual: events, expected: [] })
  })
