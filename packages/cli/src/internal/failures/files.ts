/**
 * What is wrong with a file, as a person says it.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { CommandFailed, UsageError } from "./errors.ts"

/** By the code of the failed call of the system. */
const faults: ReadonlyMap<unknown, string> = new Map(Object.entries({
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "it would be below a file",
  EACCES: "the user may not",
  EPERM: "the user may not",
  EROFS: "its file system is read-only",
  ENOSPC: "no room is left on its disk",
  EDQUOT: "no room is left on its disk for this user",
  ENAMETOOLONG: "its name is too long",
  EMFILE: "this process has too many files open"
}))

const faultOf = ({ message, reason }: PlatformError): string => {
  const cause: unknown = reason.cause
  if (!Predicate.isObject(cause)) return message
  const fault = Predicate.hasProperty(cause, "code") ? faults.get(cause.code) : undefined
  const text = Predicate.hasProperty(cause, "message") ? cause.message : undefined
  return fault ?? (typeof text === "string" ? text : message)
}

/** A file that can't be read: the command line names another one. */
export const unreadable = (file: string) => (error: PlatformError): UsageError =>
  new UsageError({ message: `${file} can't be read: ${faultOf(error)}` })

/** A file that can't be written. `hint` says what to do then. */
export const unwritable = (file: string, hint?: string) => (error: PlatformError): CommandFailed =>
  new CommandFailed({ message: `${file} can't be written: ${faultOf(error)}`, hint })
