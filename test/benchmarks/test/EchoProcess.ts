/**
 * For `Child.test.ts`: answers with what it is asked, stays silent at `"nothing"`, and ends at `"end"`. It says its process
 * id when it is ready. With an argument it starts another one of itself, and says the id of that.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { answer, endWithParent, fork, questions } from "../Child.ts"

const program = Effect.gen(function*() {
  yield* endWithParent
  const asked = yield* questions
  const [, script = "", hasChild] = process.argv
  yield* answer(hasChild === undefined ? process.pid : yield* (yield* fork(script, [])).next)
  return yield* Effect.forever(
    Effect.flatMap(Queue.take(asked), (question) =>
      question === "end"
        ? Effect.sync(() => process.exit(3))
        : question === "nothing"
        ? Effect.void
        : answer(question))
  )
})

Effect.runFork(Effect.scoped(program))
