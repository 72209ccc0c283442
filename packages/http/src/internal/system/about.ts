/**
 * The routes of what the store and the server are.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import { MessageStore } from "eventfold/MessageStore"
import type { StoreError, Unsupported } from "eventfold/StoreError"
import * as Verify from "eventfold/Verify"
import { createRequire } from "node:module"
import { Api } from "../../Api.ts"
import { Authentication } from "../../Authentication.ts"
import type { VerifyEvent, VerifyFinding } from "../../NowApi.ts"
import { Principal } from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { authorize } from "../authentication/access.ts"
import * as Runs from "../limits/runs.ts"
import { ofStoreError, orProblem } from "../problems/failures.ts"

const { version }: { readonly version: string } = createRequire(import.meta.url)("../../../package.json")

const findingOf = (finding: Verify.Finding): typeof VerifyFinding.Type => {
  const { level, remedy } = Verify.rules[finding._tag]
  return { level, message: Verify.format(finding), remedy, finding }
}

/** Looks at everything, and tells how much that was at the end. */
const check = Stream.suspend(() => {
  let messages = 0
  return Verify.run({ onVerified: (what) => Effect.sync(() => messages = what.messages) }).pipe(
    Stream.map((finding): typeof VerifyEvent.Type => ({ event: "finding", data: findingOf(finding) })),
    Stream.concat(
      Stream.suspend(() => Stream.succeed<typeof VerifyEvent.Type>({ event: "verified", data: { messages } }))
    )
  )
})

const problemOf = (error: StoreError | Unsupported) =>
  error._tag === "Unsupported" ? new Problem.Unsupported({ detail: error.message }) : ofStoreError(error)

export const layer = HttpApiBuilder.group(
  Api,
  "store",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const { isOpen } = yield* Authentication
    const answer = yield* Runs.make

    return handlers.handleAll({
      store: Effect.fnUntraced(function*() {
        yield* authorize("read")
        return yield* orProblem(ofStoreError)(store.describe)
      }),

      verify: Effect.fnUntraced(function*() {
        yield* authorize("admin")
        return yield* answer(Stream.provideService(check, MessageStore, store), { keeps: "all", problemOf })
      }),

      about: Effect.fnUntraced(function*() {
        const { categories, name, scopes } = yield* Principal
        const seen = categories === undefined || categories.includes("*") ? null : categories
        return { version, isOpen, sender: { name, scopes, categories: seen } }
      })
    })
  })
)
