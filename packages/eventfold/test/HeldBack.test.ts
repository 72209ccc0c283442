import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as HeldBack from "eventfold/HeldBack"

const unknown: HeldBack.Writer = {
  pid: undefined,
  preparedAs: undefined,
  state: undefined,
  since: undefined,
  age: undefined,
  applicationName: undefined,
  user: undefined,
  clientAddress: undefined,
  query: undefined
}

describe("HeldBack.format", () => {
  it("names the sessions and what is known of them", () => {
    const forgetful: HeldBack.Writer = {
      pid: 4711,
      preparedAs: undefined,
      state: "idle in transaction",
      since: DateTime.makeUnsafe("2026-01-02T03:04:05Z"),
      age: Duration.seconds(192),
      applicationName: "billing",
      user: "app",
      clientAddress: "10.0.0.7",
      query: "INSERT INTO message_store.messages ..."
    }
    assert.strictEqual(
      HeldBack.format({ position: 1_205, writers: [forgetful] }),
      "global position 1205 is held back by process 4711 (billing, user app, idle in transaction, for 3m 12s)"
    )
    const prepared = { ...unknown, preparedAs: "order 7", state: "prepared", user: "app" }
    assert.strictEqual(
      HeldBack.format({ position: 3, writers: [{ ...unknown, pid: 1, applicationName: "" }, prepared] }),
      "global position 3 is held back by process 1 and prepared transaction \"order 7\" (user app)"
    )
  })

  it("says so when it can name no session", () => {
    assert.strictEqual(
      HeldBack.format({ position: 3, writers: [unknown] }),
      "global position 3 is held back by a process that this role may not see"
    )
    assert.strictEqual(
      HeldBack.format({ position: 3, writers: [] }),
      "global position 3 is held back by transactions that have just ended"
    )
  })
})
