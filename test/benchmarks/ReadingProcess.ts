/**
 * Reads that many messages of a category, decoded, and answers how much memory the process took at most, in MB.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Store from "@eventfold/test/support/Store"
import * as Effect from "effect/Effect"
import { answer, endWithParent } from "./Child.ts"
import { readCategory } from "./ReadRows.ts"
import { account } from "./Scale.ts"

const [, , url = "", messages = ""] = process.argv

const program = Effect.gen(function*() {
  yield* endWithParent
  const store = yield* Store.open(url)
  yield* readCategory(store, account, Number(messages), 1)(0)
  yield* answer(process.resourceUsage().maxRSS / 1_024)
})

NodeRuntime.runMain(Effect.scoped(program))
