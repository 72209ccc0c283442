import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Category from "eventfold/Category"
import type * as Entity from "eventfold/Entity"
import { settle } from "./decide.ts"
import { recordIn, type Role, type Store, toArray, type Unrecordable, withStore } from "./recordEvents.ts"

type AnyCategory = Category.Category<Category.Events, Category.Options>
type AnyEvent = Category.Event<AnyCategory>

/** Entities by the names that a decision has for them. */
export type Entities = Readonly<Record<string, Entity.Entity<AnyCategory, unknown>>>

/** Events for some of the entities, by name. */
export type EventsByName = Readonly<Record<string, Entity.Decision<AnyEvent> | undefined>>

/** Recorded events of all entities, by name. */
export type RecordedByName = Readonly<Record<string, ReadonlyArray<Category.RecordedEvent<AnyCategory>>>>

/** A decision on several entities, as `Entity.transactAll` takes it. */
export type DecideAll = (states: Readonly<Record<string, unknown>>) => Entity.Decided<EventsByName>

/** Names that no entity has. */
export interface Misnamed {
  readonly _tag: "Misnamed"
  readonly what: "events" | "states"
  readonly names: ReadonlyArray<string>
  readonly known: ReadonlyArray<string>
}

/** How a decision on several entities ended. */
export type AllOutcome =
  | {
    readonly _tag: "Decided"
    readonly events: RecordedByName
    readonly after: Readonly<Record<string, unknown>>
    readonly reply: unknown
  }
  | { readonly _tag: "Refused"; readonly refusal: unknown }
  | Unrecordable
  | Misnamed

/** One run of a decision on several entities. */
export interface AllRun {
  readonly given: RecordedByName
  readonly before: Readonly<Record<string, unknown>>
  readonly outcome: AllOutcome
}

/** Fails when a name is not that of an entity. */
export const checkNames = (
  entities: Entities,
  named: Readonly<Record<string, unknown>>,
  what: Misnamed["what"] = "events"
): Effect.Effect<void, Misnamed> => {
  const names = Object.keys(named).filter((name) => !Object.hasOwn(entities, name))
  return names.length === 0
    ? Effect.void
    : Effect.fail({ _tag: "Misnamed", what, names, known: Object.keys(entities) })
}

/** What was recorded for one of the entities. */
interface Recording {
  readonly name: string
  readonly events: ReadonlyArray<Category.RecordedEvent<AnyCategory>>
  readonly version: number
}

/** Records events of several entities, each after the version of its stream: -1 when there is none. */
const recordAllIn = (
  store: Store,
  entities: Entities,
  role: Role,
  events: EventsByName,
  versionOf: (name: string) => number = () => -1
): Effect.Effect<ReadonlyArray<Recording>, Unrecordable | Misnamed, unknown> =>
  Effect.andThen(
    checkNames(entities, events),
    Effect.forEach(Object.entries(entities), ([name, { category }]) =>
      recordIn(store, category, role, toArray(events[name] ?? []), { first: versionOf(name) + 1, id: name }).pipe(
        Effect.mapBoth({
          onFailure: (unrecordable): Unrecordable => ({ ...unrecordable, name }),
          onSuccess: (recording): Recording => ({ ...recording, name })
        })
      ))
  )

const byName = <A>(recordings: ReadonlyArray<Recording>, f: (recording: Recording) => A): Readonly<Record<string, A>> =>
  Object.fromEntries(recordings.map((recording) => [recording.name, f(recording)]))

/** Records events of several entities in a store of their own. */
export const recordAll = (entities: Entities, role: Role, events: EventsByName) =>
  withStore((store) =>
    Effect.map(recordAllIn(store, entities, role, events), (recordings) => byName(recordings, ({ events }) => events))
  )

/** Decides on the states that the given events fold into. Fails when these can't be recorded. */
export const decideAllOn = (
  entities: Entities,
  history: EventsByName,
  decide: DecideAll
): Effect.Effect<AllRun, Unrecordable | Misnamed, unknown> =>
  withStore(Effect.fnUntraced(function*(store: Store) {
    const fold = ({ events, name }: Recording, from: unknown) => {
      const evolve = entities[name]?.evolve
      return evolve === undefined ? from : events.reduce((state, event) => evolve(state, event), from)
    }

    const given = yield* recordAllIn(store, entities, "given", history)
    const versions = byName(given, ({ version }) => version)
    const before = byName(given, (recording) => fold(recording, entities[recording.name]?.initial))
    const run = { given: byName(given, ({ events }) => events), before }
    const result = yield* Effect.result(
      Effect.suspend(() => settle<EventsByName, Entity.Decided<EventsByName>>(decide(before)))
    )
    if (Result.isFailure(result)) return { ...run, outcome: { _tag: "Refused", refusal: result.failure } as const }
    const { decision, reply } = result.success
    const versionOf = (name: string) => versions[name] ?? -1
    const decided = yield* Effect.result(recordAllIn(store, entities, "decided", decision, versionOf))
    if (Result.isFailure(decided)) return { ...run, outcome: decided.failure }
    const after = byName(decided.success, (recording) => {
      const state = before[recording.name]
      // Events that are given already, by their ids, are not written again.
      return recording.version > versionOf(recording.name) ? fold(recording, state) : state
    })
    const events = byName(decided.success, ({ events }) => events)
    return { ...run, outcome: { _tag: "Decided", events, after, reply } as const }
  }))
