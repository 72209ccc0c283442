/**
 * The commands that steer the builds of read models.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { DefinitionNotLoaded, RebuildFailed } from "eventfold/Observe"
import type { Progress } from "eventfold/ReadModel"
import { type Build, BuildState, ReadModelStore } from "eventfold/ReadModelStore"
import * as Steering from "eventfold/Steering"
import * as Application from "../application/load.ts"
import * as Stores from "../connection/stores.ts"
import { CommandFailed, ProblemsFound } from "../failures/errors.ts"
import { inWords } from "../output/cells.ts"
import { confirm } from "../output/confirm.ts"
import * as Print from "../output/print.ts"
import { withProgress } from "../output/progress.ts"
import { authorFlags, authorOf, reasonFlags } from "./author.ts"

/** A rebuild runs the handlers, so it needs the definitions on the store. */
const ofApplication = Layer.provideMerge(Application.required, Stores.database())

const nameArgument = Argument.String("read model").pipe(Argument.withDescription("The name of the read model"))

const throttleFlag = Flag.Int("throttle").pipe(
  Flag.optional,
  Flag.withDescription("How many messages a second at most; no limit by default")
)

const compareFlag = Flag.Boolean("compare").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Switch only when the tables of both builds have the same rows")
)

const sideEffectsFlag = Flag.Boolean("side-effects").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Run the side effects of the handlers; they ran when the live build handled the messages")
)

/** The builds of a read model. */
const buildsOf = Effect.fnUntraced(function*(readModel: string) {
  const builds = yield* (yield* ReadModelStore).builds(readModel)
  if (builds.length === 0) {
    return yield* new CommandFailed({
      message: `the read model ${readModel} has no build`,
      hint: "eventfold read-models lists those that have one; the first build is made when it runs"
    })
  }
  return builds
})

/** A build by its number, or the only one in a state. */
const buildOf = Effect.fnUntraced(function*(
  readModel: string,
  number: Option.Option<number>,
  state: Build["state"] | undefined
) {
  const builds = yield* buildsOf(readModel)
  const found = builds.filter((build) => Option.isSome(number) ? build.number === number.value : build.state === state)
  const [one] = found
  if (one !== undefined && found.length === 1) return one
  const wanted = Option.match(number, { onNone: () => `${state ?? "such"} build`, onSome: (one) => `build ${one}` })
  return yield* new CommandFailed({
    message: `the read model ${readModel} has ${found.length === 0 ? "no" : `${found.length}`} ${wanted}`,
    hint: `it has ${builds.map(({ number, state }) => `build ${number} (${state})`).join(", ")}`
  })
})

const Outcome = Schema.Struct({
  readModel: Schema.String,
  build: Schema.Int,
  phase: Schema.String,
  handled: Schema.Int,
  of: Schema.Int,
  position: Schema.Int
})

/** Runs a rebuild or a switch to its end, with its progress on stderr. */
const runToEnd = Effect.fnUntraced(function*<R>(
  readModel: string,
  title: string,
  progress: Stream.Stream<Progress, Steering.SteeringError | DefinitionNotLoaded | RebuildFailed, R>
) {
  const last = yield* withProgress(title, (show) =>
    progress.pipe(
      Stream.tap(({ handled, of, rate, remaining }) =>
        show({ done: handled, of, rate, remaining: Option.getOrUndefined(remaining) })
      ),
      Stream.runLast
    )).pipe(
      // The tables of both builds were compared, and the new one stays where it is.
      Effect.mapError((error) =>
        error._tag === "RebuildFailed" && error.failure.tag === "BuildsDiffer"
          ? new ProblemsFound({ message: error.message })
          : error
      )
    )
  if (Option.isNone(last)) return yield* new CommandFailed({ message: `the rebuild of ${readModel} has ended at once` })
  const { build, handled, of, phase, position } = last.value
  yield* Print.done(
    phase === "switched"
      ? `build ${build} of ${readModel} is live: it has handled ${inWords(handled, "message")}`
      : `build ${build} of ${readModel} is filled beside the live one, with ${
        inWords(handled, "message")
      }. eventfold switch ${readModel} puts it in place`,
    { readModel, build, phase, handled, of, position },
    Outcome
  )
})

/** Builds a read model again. */
export const rebuild = Command.make("rebuild", {
  readModel: nameArgument,
  throttle: throttleFlag,
  compare: compareFlag,
  sideEffects: sideEffectsFlag,
  manual: Flag.Boolean("no-switch").pipe(
    Flag.withDefault(false),
    Flag.withDescription(
      "Leave the new build beside the live one, to look at its tables: eventfold switch puts it in place"
    )
  ),
  ...authorFlags
}, ({ by, compare, manual, readModel, reason, sideEffects, throttle }) =>
  Effect.gen(function*() {
    const builds = yield* buildsOf(readModel)
    yield* runToEnd(
      readModel,
      `rebuild ${readModel}`,
      Steering.rebuild(readModel, {
        throttle: Option.getOrUndefined(throttle),
        compare: compare ? "same" : undefined,
        sideEffects,
        switch: manual ? "manual" : "when caught up",
        expected: builds,
        by: yield* authorOf(by),
        reason: Option.getOrUndefined(reason)
      })
    )
  }).pipe(Effect.provide(ofApplication))).pipe(
    Command.withDescription(
      "Fills the tables of a read model again beside those in use, and puts them in their place when they have caught up. " +
        "Stopped by Ctrl-C, the next rebuild goes on where it was"
    ),
    Command.withShortDescription("Build a read model again"),
    Command.withExamples([
      { command: "eventfold rebuild balances -m src/observe.ts" },
      {
        command: "eventfold rebuild balances --throttle 5000 --no-switch -m src/observe.ts",
        description: "Slowly, and look first"
      },
      { command: "eventfold rebuild balances --compare -m src/observe.ts", description: "Only when nothing differs" }
    ])
  )

/** Puts a build in place. */
export const switchTo = Command.make("switch", {
  readModel: nameArgument,
  build: Flag.Int("build").pipe(
    Flag.optional,
    Flag.withDescription("The number of the build; the one being built by default")
  ),
  compare: compareFlag,
  throttle: throttleFlag,
  sideEffects: sideEffectsFlag,
  ...authorFlags
}, ({ build, by, compare, readModel, reason, sideEffects, throttle }) =>
  Effect.gen(function*() {
    const { number, state } = yield* buildOf(readModel, build, "building")
    yield* confirm(`Put build ${number} of ${readModel} in the place of the live one?`)
    yield* runToEnd(
      readModel,
      `switch ${readModel}`,
      Steering.switchTo(readModel, {
        throttle: Option.getOrUndefined(throttle),
        compare: compare ? "same" : undefined,
        sideEffects,
        expected: { number, state },
        by: yield* authorOf(by),
        reason: Option.getOrUndefined(reason)
      })
    )
  }).pipe(Effect.provide(ofApplication))).pipe(
    Command.withDescription(
      "Puts a build that was filled beside the live one in its place, after it has handled what it misses. It asks first"
    ),
    Command.withShortDescription("Put a build of a read model in place"),
    Command.withExamples([{ command: "eventfold switch balances --compare -m src/observe.ts" }])
  )

const Changed = Schema.Struct({ readModel: Schema.String, build: Schema.Int, state: BuildState, position: Schema.Int })

/** Drops a build. */
export const dropBuild = Command.make("drop-build", {
  readModel: nameArgument,
  build: Argument.Int("build").pipe(Argument.withDescription("The number of the build; not the live one")),
  ...reasonFlags
}, ({ build, by, readModel, reason }) =>
  Effect.gen(function*() {
    const { checkpoint, number, state } = yield* buildOf(readModel, Option.some(build), undefined)
    yield* confirm(`Drop build ${number} of ${readModel} (${state}) and its tables?`)
    yield* Steering.dropBuild(readModel, { expected: { number, state }, by: yield* authorOf(by), reason })
    yield* Print.done(
      `build ${number} of ${readModel} is dropped`,
      { readModel, build: number, state, position: checkpoint.position },
      Changed
    )
  }).pipe(Effect.provide(Stores.database()))).pipe(
    Command.withDescription("Drops a build of a read model and its tables, with a reason. It asks first"),
    Command.withShortDescription("Drop a build of a read model"),
    Command.withExamples([{ command: `eventfold drop-build balances 1 --reason "the new one is right"` }])
  )

/** Accepts a changed definition. */
export const accept = Command.make(
  "accept",
  { readModel: nameArgument, ...authorFlags },
  ({ by, readModel, reason }) =>
    Effect.gen(function*() {
      const { checkpoint, number, state } = yield* buildOf(readModel, Option.none(), "live")
      yield* confirm(`Keep the tables of ${readModel}, although the definition has changed?`)
      yield* Steering.accept(readModel, {
        expected: { number, state },
        by: yield* authorOf(by),
        reason: Option.getOrUndefined(reason)
      })
      yield* Print.done(
        `the definition is accepted for build ${number} of ${readModel}`,
        { readModel, build: number, state, position: checkpoint.position },
        Changed
      )
    }).pipe(Effect.provide(ofApplication))
).pipe(
  Command.withDescription(
    "Has the tables of a read model count as filled by the changed definition of the same version, where the change makes no difference to them. It asks first"
  ),
  Command.withShortDescription("Keep the tables of a changed read model"),
  Command.withExamples([{ command: `eventfold accept balances --reason "only renamed a variable" -m src/observe.ts` }])
)

/** Has a read model resume elsewhere. */
export const resumeAt = Command.make("resume-at", {
  readModel: nameArgument,
  to: Argument.Int("position").pipe(
    Argument.withDescription("0, or the global position of a message: the live build resumes after it")
  ),
  expected: Flag.Int("expected").pipe(
    Flag.optional,
    Flag.withDescription("The position that you have seen. Exit code 5 when it is another one by now")
  ),
  ...reasonFlags
}, ({ by, expected, readModel, reason, to }) =>
  Effect.gen(function*() {
    const { checkpoint, number, state } = yield* buildOf(readModel, Option.none(), "live")
    yield* confirm(
      `Have ${readModel} resume after ${to}, and not after ${checkpoint.position}? Its tables stay as they are.`
    )
    yield* Steering.rewindReadModel(readModel, {
      to,
      expected: { number, state, position: Option.getOrElse(expected, () => checkpoint.position) },
      by: yield* authorOf(by),
      reason
    })
    yield* Print.done(
      `build ${number} of ${readModel} resumes after ${to}`,
      { readModel, build: number, state, position: to },
      Changed
    )
  }).pipe(Effect.provide(Stores.database()))).pipe(
    Command.withDescription(
      "Has the tables of a read model go on at another position, with a reason: after a restore, where they are right up to there. It asks first"
    ),
    Command.withShortDescription("Have a read model go on elsewhere"),
    Command.withExamples([{ command: `eventfold resume-at balances 4711 --reason "restored from the backup of noon"` }])
  )
