/**
 * The application's own authentication: a session in a cookie. It knows nothing of messages.
 */
import { Context, Effect, Layer, Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import { randomUUID } from "node:crypto"

/** A person with an account. Auditors may look at everything. */
export interface User {
  readonly name: string
  readonly isAuditor: boolean
}

interface Account extends User {
  readonly password: string
}

/** An application keeps its users in a table, and hashes of their passwords. */
const accounts: ReadonlyArray<Account> = [
  { name: "ann", password: "teapot", isAuditor: false },
  { name: "eve", password: "ledger", isAuditor: true }
]

/** The name of the cookie. */
export const cookie = "session"

/** The sessions of the users who are logged in. */
export class Sessions extends Context.Service<Sessions, {
  /** Starts a session, and gives what the cookie has to hold; none when name and password do not belong together. */
  readonly start: (name: string, password: string) => Option.Option<string>
  /** The user of a request's session. */
  readonly userOf: (request: HttpServerRequest.HttpServerRequest) => Option.Option<User>
}>()("example/http-mounted/Sessions") {
  static readonly layer = Layer.sync(Sessions, () => {
    const users = new Map<string, User>()
    return Sessions.of({
      start: (name, password) =>
        Option.map(
          Option.fromUndefinedOr(accounts.find((account) => account.name === name && account.password === password)),
          ({ isAuditor, name }) => {
            const session = randomUUID()
            users.set(session, { name, isAuditor })
            return session
          }
        ),
      userOf: ({ cookies }) => Option.fromUndefinedOr(users.get(cookies[cookie] ?? ""))
    })
  })
}

/** The user of the request, for routes that are only for users. */
export const currentUser = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(Sessions, ({ userOf }) => userOf(request))
