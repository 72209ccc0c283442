import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FailureReport from "../../FailureReport.ts"
import { nextId } from "../../Message.ts"
import type { Observe } from "../../Observe.ts"
import type * as ReadModel from "../../ReadModel.ts"
import { type Build, type BuildMoved, type BuildState, ReadModelStore } from "../../ReadModelStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import * as Builds from "../readModel/builds.ts"
import { logFailure } from "../runtime/log.ts"
import { checkInt } from "../store/argumentChecks.ts"
import { type Author, type AuthorWithReason, checkAuthor, type Done, NotAsSeen, recorded } from "./asSeen.ts"

/**
 * What was looked at of a build of a read model.
 *
 * @category models
 * @since 0.1.0
 */
export interface BuildSeen {
  readonly number: number
  readonly state: BuildState
  /** The position of its checkpoint, inclusive. Leave it out where a program that runs the read model may move it on. */
  readonly position?: number | undefined
}

type Definition = Pick<ReadModel.ReadModel<unknown, unknown>, "name" | "version" | "fingerprint">

const json = ({ number, position, state }: BuildSeen): Schema.Json =>
  position === undefined ? { number, state } : { number, state, position }

const seenOf = ({ checkpoint: { position }, number, state }: Build): BuildSeen => ({ number, state, position })

const describe = ({ number, position, state }: BuildSeen): string =>
  `build ${number} ${state}${position === undefined ? "" : ` at ${position}`}`

const refusal = (readModel: string, expected: BuildSeen, actual: Build | undefined) => {
  const now = actual === undefined ? undefined : seenOf(actual)
  return new NotAsSeen({
    subject: `read model ${readModel}`,
    expected: json(expected),
    actual: now === undefined ? null : json(now),
    change: `it had ${describe(expected)} and ${
      now === undefined ? "has no such build now" : `has ${describe(now)} now`
    }`
  })
}

const checkExpected = ({ number, position }: BuildSeen) =>
  Effect.andThen(checkInt("expected.number", number, 1), checkInt("expected.position", position, 0))

const find = (readModel: string, number: number) =>
  Effect.map(
    Effect.flatMap(ReadModelStore, (store) => store.builds(readModel)),
    (builds) => builds.find((one) => one.number === number)
  )

/** The build that was looked at, as it is stored. */
const buildAsSeen = Effect.fnUntraced(function*(readModel: string, expected: BuildSeen) {
  yield* checkExpected(expected)
  const found = yield* find(readModel, expected.number)
  const isSame = found !== undefined && found.state === expected.state &&
    (expected.position === undefined || found.checkpoint.position === expected.position)
  return isSame ? found : yield* refusal(readModel, expected, found)
})

/** A build that was moved between the look and the change is not as seen either. */
const unlessMoved =
  (readModel: string, expected: BuildSeen) =>
  <A, E extends { readonly _tag: string }, R>(operation: Effect.Effect<A, E | BuildMoved, R>) =>
    Effect.catchTag(operation, "BuildMoved", () =>
      Effect.flatMap(
        find(readModel, expected.number),
        (actual) => Effect.fail(refusal(readModel, expected, actual))
      ))

export interface RewindOptions extends AuthorWithReason {
  /** 0, or the global position of a message: the live build resumes after it. */
  readonly to: number
  /** The live build, with its position. */
  readonly expected: BuildSeen & { readonly position: number }
}

export const rewind = Effect.fnUntraced(function*(readModel: string, options: RewindOptions) {
  const { expected, to } = options
  yield* checkAuthor(options)
  yield* checkInt("to", to, 0)
  if (expected.state !== "live") {
    return yield* new InvalidArgument({
      argument: "expected.state",
      value: expected.state,
      expected: "live: only the live build is rewound"
    })
  }
  const build = yield* buildAsSeen(readModel, expected)
  const checkpoint = yield* Builds.checkpointAt(build, to)
  const store = yield* ReadModelStore
  // Nothing is handled: it moves the checkpoint from where it was looked at, or not at all.
  yield* recorded(store.advance(build, checkpoint, Effect.void), options, () => ({
    action: "ReadModel.rewind",
    subject: readModel,
    details: { build: build.number, position: to, from: expected.position }
  })).pipe(unlessMoved(readModel, expected))
})

export interface AcceptOptions extends Author {
  /** The live build. */
  readonly expected: BuildSeen
}

export const accept = Effect.fnUntraced(function*(definition: Definition, options: AcceptOptions) {
  const { expected } = options
  const { fingerprint, name, version } = definition
  yield* checkAuthor(options)
  if (expected.state !== "live") {
    return yield* new InvalidArgument({
      argument: "expected.state",
      value: expected.state,
      expected: "live: a definition is accepted for the live build"
    })
  }
  const build = yield* buildAsSeen(name, expected)
  yield* recorded(Builds.acceptFor(build, definition), options, () => ({
    action: "ReadModel.accept",
    subject: name,
    details: { build: build.number, version, fingerprint, from: build.fingerprint }
  })).pipe(unlessMoved(name, expected))
})

export interface DropBuildOptions extends AuthorWithReason {
  /** The build to drop. It is not the live one. */
  readonly expected: BuildSeen
}

export const dropBuild = Effect.fnUntraced(function*(readModel: string, options: DropBuildOptions) {
  const { expected } = options
  yield* checkAuthor(options)
  if (expected.state === "live") {
    return yield* new InvalidArgument({
      argument: "expected.state",
      value: expected.state,
      expected: "building or retired: the live build can't be dropped"
    })
  }
  const build = yield* buildAsSeen(readModel, expected)
  const store = yield* ReadModelStore
  yield* recorded(store.drop(build), options, () => ({
    action: "ReadModel.drop",
    subject: readModel,
    details: { build: build.number, state: build.state, version: build.version, position: build.checkpoint.position }
  })).pipe(unlessMoved(readModel, expected))
})

/** How a rebuild has ended. */
type Outcome = "switched" | "built" | "stopped" | "interrupted" | "failed"

/** Runs a rebuild between two records: that it begins, and how it has ended. */
const recordedBuild = Effect.fnUntraced(function*<E>(
  name: string,
  author: Author,
  { action, details }: Pick<Done, "action" | "details">,
  run: Stream.Stream<ReadModel.Progress, E>
) {
  const id = yield* nextId
  let last: ReadModel.Progress | undefined
  let isEnded = false
  const done = (phase: "begin" | "end", more: Done["details"]): Done => ({
    action,
    subject: name,
    details: { phase, run: id, ...more }
  })
  const recordEnd = (outcome: Outcome, failure?: string) =>
    Effect.suspend(() => {
      isEnded = true
      const { build, handled, position } = last ?? {}
      return recorded(Effect.void, author, () => done("end", { outcome, build, position, handled, failure }))
    })
  const outcomeOf = (): Outcome => last === undefined || last.phase === "building" ? "stopped" : last.phase
  // Whoever has ended it does not wait for a store that is away.
  const recordExit = Effect.fnUntraced(function*(exit: Exit.Exit<unknown, unknown>) {
    if (isEnded) return
    const isFailed = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
    const failure = isFailed ? FailureReport.format(yield* FailureReport.fromCause(exit.cause)) : undefined
    const outcome = isFailed ? "failed" : Exit.isFailure(exit) ? "interrupted" : outcomeOf()
    yield* recordEnd(outcome, failure).pipe(
      Effect.interruptible,
      Effect.timeout("5 seconds"),
      Effect.catchCause((cause) =>
        logFailure("Warn", "the end of a rebuild could not be recorded", { readModel: name, outcome }, cause)
      )
    )
  })
  yield* recorded(Effect.void, author, () => done("begin", details))
  const ended = Stream.fromEffectDrain(Effect.suspend(() => recordEnd(outcomeOf())))
  const whole = Stream.concat(Stream.tap(run, (progress) => Effect.sync(() => last = progress)), ended)
  return Stream.onExit(whole, (exit) => recordExit(exit))
})

export interface RebuildOptions extends Author, ReadModel.BuildOptions {
  /** All builds of the read model that were looked at; empty when it had none. Their positions do not count: they move on. */
  readonly expected: ReadonlyArray<Pick<BuildSeen, "number" | "state">>
}

/** The options that were given. An option that is given as undefined takes the place of the definition's. */
const buildOptionsOf = <O extends ReadModel.BuildOptions & Author & { readonly expected: unknown }>(
  { by: _by, expected: _expected, reason: _reason, token: _token, ...options }: O
): ReadModel.BuildOptions => options

const buildDetails = (options: ReadModel.BuildOptions): Done["details"] => {
  const { compare, sideEffects, switch: switching, throttle } = options
  const comparing = typeof compare === "function" ? "by a function" : compare ?? null
  return { throttle, sideEffects, compare: "compare" in options ? comparing : undefined, switch: switching }
}

const listOf = (builds: ReadonlyArray<Pick<BuildSeen, "number" | "state">>) =>
  builds.map(({ number, state }) => ({ number, state })).toSorted((a, b) => a.number - b.number)

const inWords = (builds: ReadonlyArray<BuildSeen>) =>
  builds.length === 0 ? "no builds" : builds.map(describe).join(", ")

export const rebuild = Effect.fnUntraced(function*(observe: Observe["Service"], name: string, options: RebuildOptions) {
  yield* checkAuthor(options)
  const { fingerprint, version } = yield* observe.readModelDefinition(name)
  const expected = listOf(options.expected)
  const actual = listOf(yield* Effect.flatMap(ReadModelStore, (store) => store.builds(name)))
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    return yield* new NotAsSeen({
      subject: `read model ${name}`,
      expected,
      actual,
      change: `it had ${inWords(expected)} and has ${inWords(actual)} now`
    })
  }
  return yield* recordedBuild(
    name,
    options,
    { action: "ReadModel.rebuild", details: { version, fingerprint, ...buildDetails(buildOptionsOf(options)) } },
    observe.rebuild(name, buildOptionsOf(options))
  )
})

export interface SwitchOptions extends Author, Pick<ReadModel.BuildOptions, "compare" | "sideEffects" | "throttle"> {
  /** The build that takes the place of the live one. */
  readonly expected: BuildSeen
}

export const switchTo = Effect.fnUntraced(function*(observe: Observe["Service"], name: string, options: SwitchOptions) {
  const { expected } = options
  yield* checkAuthor(options)
  const definition = yield* observe.readModelDefinition(name)
  const build = yield* buildAsSeen(name, expected)
  const isOurs = build.version === definition.version && build.fingerprint === definition.fingerprint
  // A rebuild would drop it, and begin another one.
  if (build.state !== "building" || !isOurs) {
    return yield* new InvalidArgument({
      argument: "expected",
      value: `build ${build.number} (${build.state}, version ${build.version})`,
      expected:
        `a build that is filled beside the live one by the definition that is loaded here, of version ${definition.version}`
    })
  }
  return yield* recordedBuild(
    name,
    options,
    {
      action: "ReadModel.switch",
      details: { build: build.number, version: build.version, ...buildDetails(buildOptionsOf(options)) }
    },
    observe.rebuild(name, { ...buildOptionsOf(options), switch: "when caught up" })
  )
})
