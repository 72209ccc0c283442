/**
 * Saves what is shown as a file. It stays on the machine of the browser.
 */
import type { Value } from "../data/exact.ts"
import { write } from "../data/exact.ts"

/** Saves values as lines of JSON. */
export const saveLines = (name: string, values: ReadonlyArray<Value>): void => {
  const lines = values.map((value) => `${write(value)}\n`).join("")
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([lines], { type: "application/x-ndjson" }))
  link.download = `${name.replace(/[^\w.-]/g, "_")}.ndjson`
  link.click()
  URL.revokeObjectURL(link.href)
}
