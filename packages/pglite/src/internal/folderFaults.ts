import { type Ended, endedBy } from "./engine.ts"

type Fault = "room" | "readOnly" | "permission" | "version"

const advice: Readonly<Record<Fault, string>> = {
  room: "there is no room left on its disk: make room, or name a folder on another disk",
  readOnly: "its file system is read-only: name a folder that can be written",
  permission: "this process may not write there: give its user the permission, or name another folder",
  version:
    "its data is that of another version of PostgreSQL: open it with the PGlite that made it, and copy the messages"
}

/** By the code of a failed system call, or the SQLSTATE. */
const byCode: ReadonlyMap<unknown, Fault> = new Map([
  ["ENOSPC", "room"],
  ["EDQUOT", "room"],
  ["53100", "room"],
  ["EROFS", "readOnly"],
  ["25006", "readOnly"],
  ["EACCES", "permission"],
  ["EPERM", "permission"],
  ["42501", "permission"]
])

/** By the text of the operating system, which PostgreSQL and SQLite give as it is, some with a code that says less. */
const byText: ReadonlyArray<readonly [RegExp, Fault]> = [
  [/No space left on device|Disk quota exceeded|database or disk is full/i, "room"],
  [/Read-only file system|readonly database/i, "readOnly"],
  [/Permission denied|Operation not permitted/i, "permission"],
  [/incompatible with server/i, "version"]
]

const faultOf = (code: unknown, text: string): Fault | undefined =>
  byCode.get(code) ?? byText.find(([pattern]) => pattern.test(text))?.[1]

/** What is wrong with a folder, in one line: what to do, and what the operating system or PostgreSQL has said. */
export const explain = (cause: unknown): string => {
  const ended: Ended = endedBy(cause)
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : ended.code
  const [text = ""] = ended.message.split("\n")
  const fault = faultOf(code, text)
  return fault === undefined ? text : `${advice[fault]} (${text})`
}
