/**
 * Measures rows of one build, as the parent asks: `BuildProcess.ts <server's URL> <messages of the functions' table>
 * <prefix of the databases>`. The parent preloads `fromCheckout.ts`, which decides whose packages are measured.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as ScopedRef from "effect/ScopedRef"
import { promise } from "./BenchError.ts"
import { type Answer, decodeQuestion, type Question } from "./Builds.ts"
import { answer, endWithParent, questions } from "./Child.ts"
import type { Round } from "./Rounds.ts"
import * as Rows from "./Rows.ts"

const [, , url = "", messages = "", prefix = ""] = process.argv

/** The messages of an error and of its causes, in a line. */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const reason = error.message.split("\n", 1)[0] ?? ""
  return error.cause instanceof Error && !reason.includes(error.cause.message)
    ? `${reason}: ${reasonOf(error.cause)}`
    : reason
}

const program = Effect.gen(function*() {
  yield* endWithParent
  const asked = yield* questions
  const scope = yield* Effect.scope
  // Loaded by the first row, so that packages that do not fit fail a row and not the process.
  const databases = yield* Effect.cached(
    Effect.flatMap(
      promise(() => import("./Databases.ts")),
      ({ Databases, layerOn }) =>
        Effect.map(
          Layer.buildWithScope(layerOn(url, { messages: Number(messages), prefix }), scope),
          (context) => ({ Databases, service: Context.get(context, Databases) })
        )
    )
  )
  const prepared = yield* ScopedRef.make<Round>(() => () => Effect.die("No row is prepared"))
  const prepare = Effect.fnUntraced(function*(name: string) {
    const { Databases, service } = yield* databases
    const { ours } = yield* Rows.find(name)
    return yield* Effect.provideService(ours, Databases, service)
  })

  const answerTo = (question: Question): Effect.Effect<Answer> => {
    const answered = question._tag === "Prepare"
      ? Effect.as(ScopedRef.set(prepared, prepare(question.row)), { _tag: "Ready" } as const)
      : Effect.map(
        Effect.flatMap(ScopedRef.get(prepared), (round) => round(question.millis)),
        (measured): Answer => ({ _tag: "Measured", samples: [measured].flat() })
      )
    return Effect.catchCause(
      answered,
      (cause) => Effect.succeed({ _tag: "Failed", reason: reasonOf(Cause.squash(cause)) })
    )
  }

  yield* answer({ _tag: "Ready" } satisfies Answer)
  return yield* Queue.take(asked).pipe(
    Effect.flatMap(decodeQuestion),
    Effect.flatMap(answerTo),
    Effect.flatMap(answer),
    Effect.forever
  )
})

NodeRuntime.runMain(Effect.scoped(program))
