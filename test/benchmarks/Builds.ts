/**
 * Compares this build with the one of another checkout: the same programs over the packages of both, each in a process of
 * its own, on one server with databases of their own. The processes take turns, round by round.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { fileURLToPath } from "node:url"
import { type BenchError, PeerError, RowError } from "./BenchError.ts"
import type { Checkout } from "./Checkout.ts"
import { type Child, forkWith } from "./Child.ts"
import type { Databases } from "./Databases.ts"
import * as Rounds from "./Rounds.ts"

/** What the parent asks `BuildProcess.ts`. */
const Question = Schema.Union([
  /** Prepares ours of the row of that name, in the place of the row before. */
  Schema.TaggedStruct("Prepare", { row: Schema.String }),
  /** Measures a round of the row. */
  Schema.TaggedStruct("Measure", { millis: Schema.Finite })
])

export type Question = typeof Question.Type

/** What `BuildProcess.ts` answers. */
const Answer = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Measured", { samples: Schema.Array(Schema.Finite) }),
  Schema.TaggedStruct("Failed", { reason: Schema.String })
])

export type Answer = typeof Answer.Type

export const decodeQuestion = Schema.decodeUnknownEffect(Question)

/** A process that measures a build. */
export interface Build {
  /** Its name in the error of a row that fails. */
  readonly name: string
  readonly ask: (question: Question) => Effect.Effect<Answer, PeerError>
}

export interface Pair {
  readonly ours: Build
  readonly other: Build
}

/** Asks, and takes the answer of that tag. */
const ask = <Tag extends Answer["_tag"]>(build: Build, question: Question, tag: Tag) =>
  build.ask(question).pipe(
    Effect.mapError((cause) => new PeerError({ message: `${build.name}: ${cause.message}`, cause })),
    Effect.flatMap((answer) =>
      answer._tag === tag
        ? Effect.succeed(answer as Extract<Answer, { readonly _tag: Tag }>)
        : Effect.fail(
          new RowError({
            message: `${build.name}: ${answer._tag === "Failed" ? answer.reason : `${answer._tag} to ${question._tag}`}`
          })
        )
    )
  )

const side = (build: Build, row: string): Rounds.Side =>
  Effect.as(
    ask(build, { _tag: "Prepare", row }, "Ready"),
    (millis) => Effect.map(ask(build, { _tag: "Measure", millis }, "Measured"), ({ samples }) => samples)
  )

/** Ours of the row, measured over both builds. */
export const between = (row: Rounds.Row<Databases>, { other, ours }: Pair): Rounds.Row => ({
  ...row,
  ours: side(ours, row.name),
  peers: [{ name: other.name, side: side(other, row.name) }]
})

/** The rows of these names that say something about a build; without names those that are not slow. */
export const comparable = (
  rows: ReadonlyArray<Rounds.Row<Databases>>,
  names: ReadonlyArray<string>
): ReadonlyArray<Rounds.Row<Databases>> => Rounds.select(rows, names, true).filter(({ ofServer }) => ofServer !== true)

/** Why the rows of these names can't be compared, although there are such rows. */
export const nothingToCompare = (rows: ReadonlyArray<Rounds.Row<Databases>>, names: ReadonlyArray<string>): string =>
  `Nothing to compare: no code of eventfold runs in ${
    Rounds.select(rows, names, true).map(({ name }) => name).join(", ")
  }`

/** What came out of a row: its results, or why one of the builds can't be measured. */
export type Outcome =
  | { readonly _tag: "Compared"; readonly results: ReadonlyArray<Rounds.Result> }
  | { readonly _tag: "NotComparable"; readonly name: string; readonly reason: string }

/** The outcome of a row, and whether the processes can run another one. */
const compareRow = (row: Rounds.Row<Databases>, pair: Pair, effort: Rounds.Effort) =>
  Rounds.measure(between(row, pair), effort).pipe(
    Effect.map((results) => ({ outcome: { _tag: "Compared", results } as Outcome, isUsable: true })),
    Effect.catch(({ _tag, message }: BenchError) =>
      Effect.succeed({
        outcome: { _tag: "NotComparable", name: row.name, reason: message } as Outcome,
        isUsable: _tag === "RowError"
      })
    )
  )

/** Compares the rows in their order. When a process has ended or stays silent, a new pair measures the rows after that. */
export const compare = Effect.fnUntraced(function*<E, R>(
  rows: ReadonlyArray<Rounds.Row<Databases>>,
  effort: Rounds.Effort,
  start: Effect.Effect<Pair, E, R>,
  tell: (outcome: Outcome) => Effect.Effect<void>
): Effect.fn.Return<ReadonlyArray<Outcome>, E, Exclude<R, Scope.Scope>> {
  const outcomes: Array<Outcome> = []
  while (outcomes.length < rows.length) {
    yield* Effect.scoped(Effect.gen(function*() {
      const pair = yield* start
      for (const row of rows.slice(outcomes.length)) {
        const { isUsable, outcome } = yield* compareRow(row, pair, effort)
        outcomes.push(outcome)
        yield* tell(outcome)
        if (!isUsable) return
      }
    }))
  }
  return outcomes
})

const script = fileURLToPath(new URL("BuildProcess.ts", import.meta.url))

const decode = Schema.decodeUnknownEffect(Answer)

/** Starts a process for the build of a checkout. A slow row loads 10,000,000 messages, which takes minutes. */
const start = (name: string, { folder }: Checkout, args: ReadonlyArray<string>) => {
  const preloaded = new URL("fromCheckout.ts", import.meta.url)
  preloaded.searchParams.set("checkout", folder)
  const nodeOptions = [...process.execArgv, "--import", preloaded.href]
  return forkWith(script, args, { decode, nodeOptions, patience: "30 minutes" }).pipe(
    Effect.map(({ ask, next }: Child<Answer>) => ({ next, build: { name, ask } satisfies Build }))
  )
}

/** A function that starts the processes of both builds on a server. Each pair gets databases of its own. */
export const pairs = (
  server: string,
  messages: number,
  checkouts: { readonly ours: Checkout; readonly other: Checkout }
): Effect.Effect<Pair, PeerError, Scope.Scope> => {
  let count = 0
  return Effect.suspend(() => {
    const number = count++
    const args = (of: string) => [server, String(messages), `${of}_${number}_`]
    return Effect.gen(function*() {
      const ours = yield* start("this build", checkouts.ours, args("this"))
      const other = yield* start("the other build", checkouts.other, args("other"))
      yield* ours.next
      yield* other.next
      return { ours: ours.build, other: other.build }
    })
  })
}
