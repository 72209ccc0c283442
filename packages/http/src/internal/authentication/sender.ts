import * as Context from "effect/Context"

/** Where the access log finds whom a request came from, once that is known. */
export const Sender = Context.Reference<{ name: string | undefined } | undefined>("@eventfold/http/Sender", {
  defaultValue: () => undefined
})
