/**
 * Who asks, and what the sender may do here.
 */
import { computed, effect, signal } from "@preact/signals"
import type { Answer } from "./api.ts"
import { ask, get, token } from "./client.ts"

/** What the server says of itself and of the sender; nothing until it has. */
export const about = signal<Answer<"GET", "/about"> | undefined>(undefined)

effect(() => {
  // Another token may be another sender.
  const sent = token.value
  void ask(get("/about")).then((result) => {
    if (sent === token.value) about.value = result?._tag === "Ok" ? result.value : undefined
  })
})

/** Whether the sender is an administrator; nothing until the server has told. */
export const isAdmin = computed((): boolean | undefined => about.value?.sender.scopes.includes("admin"))

/** Whether the server offers administrators what the API lets them do. */
const writes = document.documentElement.dataset["write"] === "true"

/** Why nothing can be done here; nothing when it can. */
export const whyNot = computed((): string | undefined => {
  if (!writes) return "read-only: the server was started without writing from the page"
  if (isAdmin.value === undefined) return "read-only: the server has not told who you are"
  return isAdmin.value ? undefined : "read-only: your token has no scope admin"
})
