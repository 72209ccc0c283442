/**
 * The routes of what the store and the server are.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { MessageStore } from "eventfold/MessageStore"
import { createRequire } from "node:module"
import { Api } from "../../Api.ts"
import { Authentication } from "../../Authentication.ts"
import { Principal } from "../../Principal.ts"
import { authorize } from "../authentication/access.ts"
import { ofStoreError, orProblem } from "../problems/failures.ts"

const { version }: { readonly version: string } = createRequire(import.meta.url)("../../../package.json")

export const layer = HttpApiBuilder.group(
  Api,
  "store",
  Effect.fnUntraced(function*(handlers) {
    const store = yield* MessageStore
    const { isOpen } = yield* Authentication

    return handlers.handleAll({
      store: Effect.fnUntraced(function*() {
        yield* authorize("read")
        return yield* orProblem(ofStoreError)(store.describe)
      }),

      about: Effect.fnUntraced(function*() {
        const { categories, name, scopes } = yield* Principal
        const seen = categories === undefined || categories.includes("*") ? null : categories
        return { version, isOpen, sender: { name, scopes, categories: seen } }
      })
    })
  })
)
