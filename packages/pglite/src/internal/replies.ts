import { Ended } from "./engine.ts"

const [errorResponse, readyForQuery, sync] = ["E".charCodeAt(0), "Z".charCodeAt(0), "S".charCodeAt(0)]

/** The type and the length of a message come first. The length counts itself, and not the type. */
const headLength = 5

/** The fields of an error, by the letters of the protocol. */
const fieldsOf = (body: Buffer): ReadonlyMap<string, string> =>
  new Map(
    body.toString().split("\0").filter((field) => field !== "").map((field) => [field.slice(0, 1), field.slice(1)])
  )

const endsWithSync = (request: Uint8Array): boolean =>
  request.length >= headLength && request.at(-headLength) === sync && request.at(-1) === headLength - 1

const endsWithReady = (reply: Buffer): boolean => reply.length > headLength && reply[reply.length - 6] === readyForQuery

/** The error that ends the session, if the reply has one. */
const fatalError = (reply: Buffer): Ended | undefined => {
  for (let at = 0; at + headLength <= reply.length;) {
    const end = at + 1 + reply.readUInt32BE(at + 1)
    if (reply[at] === errorResponse) {
      const fields = fieldsOf(reply.subarray(at + headLength, end))
      // The severity that is never translated.
      const severity = fields.get("V")
      if (severity === "FATAL" || severity === "PANIC") {
        const code = fields.get("C")
        const detail = fields.get("D")
        const text = fields.get("M") ?? "PGlite has ended its session"
        return new Ended({
          message: detail === undefined ? text : `${text} (${detail})`,
          ...code !== undefined && { code }
        })
      }
    }
    at = end
  }
  return undefined
}

/**
 * Why the session has ended with this reply, if it has. PGlite stays as it is after a FATAL or PANIC, where a server would end: no
 * later request gets an answer, and some block the process.
 */
export const endOf = (request: Uint8Array, reply: Buffer): Ended | undefined =>
  fatalError(reply) ?? (endsWithSync(request) && !endsWithReady(reply)
    ? new Ended({ message: "PGlite did not end its reply, so its session can't be used any more" })
    : undefined)
