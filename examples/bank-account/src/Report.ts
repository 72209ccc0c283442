/**
 * Prints accounts and their events.
 */
import Table from "cli-table3"
import { DateTime } from "effect"
import type * as Account from "./Account.ts"
import * as Money from "./Money.ts"

/** The text for an event in a statement, and by how many cents it changes the balance. */
const describe = (event: Account.RecordedEvent): readonly [what: string, cents: number] => {
  switch (event.type) {
    case "Opened":
      return [`opened for ${event.data.owner}`, 0]
    case "Deposited":
      return ["deposit", event.data.cents]
    case "Withdrawn":
      return ["withdrawal", -event.data.cents]
    case "TransferSent":
      return [`transfer to ${event.data.to}`, -event.data.cents]
    case "TransferReceived":
      return [`transfer from ${event.data.from}`, event.data.cents]
    case "Closed":
      return ["closed", 0]
  }
}

/** Such as `alice: €12.50`, with `(closed)` when the account is closed. */
export const balance = (account: Account.AccountId, { balance, status }: Account.State): string =>
  `${account}: ${Money.format(balance)}${status === "closed" ? " (closed)" : ""}`

/** A table of the events with the balance after each, and the account below it. Times are in UTC. */
export const statement = (statement: Account.Statement): string => {
  const table = new Table({
    head: ["time (UTC)", "what", "by", "amount", "balance"],
    colAligns: ["left", "left", "left", "right", "right"],
    style: { head: [], border: [], compact: true }
  })
  for (const { balance, event } of statement.lines) {
    const time = DateTime.formatUtc(event.recorded.time, { locale: "en-GB", dateStyle: "medium", timeStyle: "medium" })
    const [what, cents] = describe(event)
    table.push([time, what, event.metadata.by, cents === 0 ? "" : Money.format(cents), Money.format(balance)])
  }
  return `${table.toString()}\n${balance(statement.account, statement)}`
}
