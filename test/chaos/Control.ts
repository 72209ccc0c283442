/**
 * What the harness tells its workers, in a file that they look at: a frozen worker misses nothing.
 */
import * as Schema from "effect/Schema"
import { readFileSync, renameSync, writeFileSync } from "node:fs"

export const Control = Schema.fromJsonString(Schema.Struct({
  /** The round whose streams the writers write to; none while they pause. */
  round: Schema.optionalKey(Schema.Int),
  /** The number of the pause. */
  pause: Schema.Int,
  /** Whether what is poison is handled now. */
  mended: Schema.Boolean
}))

export type Control = typeof Control.Type

const encode = Schema.encodeSync(Control)
const decode = Schema.decodeSync(Control)

export const write = (path: string, control: Control): void => {
  writeFileSync(`${path}.new`, encode(control))
  renameSync(`${path}.new`, path)
}

export const read = (path: string): Control => decode(readFileSync(path, "utf8"))
