/**
 * Bearer tokens: what a server knows of them, and how it checks those of requests.
 *
 * A server keeps the SHA-256 of each token, not the token. It can take other ones without a restart: give it an effect that reads
 * them, such as from a file.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { hash as hashOnce, randomBytes, timingSafeEqual } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Authentication } from "./Authentication.ts"
import * as Principal from "./Principal.ts"
import { Unauthorized } from "./Problem.ts"

/**
 * A token, as the server knows it.
 *
 * @category models
 * @since 0.1.0
 */
export const Token = Schema.Struct({
  /**
   * Names the sender: see `Principal`. Two tokens may have one name, so that a sender can change to another token while both are
   * known.
   */
  name: Schema.NonEmptyString,
  /** The SHA-256 of the token as 64 hexadecimal digits: {@link hash} makes it. */
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "64 hexadecimal digits" })),
  scopes: Schema.NonEmptyArray(Principal.Scope),
  /** Patterns of categories: see `Principal`. Defaults to all. */
  categories: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString))
})

/**
 * A token, as the server knows it.
 *
 * @category models
 * @since 0.1.0
 */
export type Token = typeof Token.Type

/**
 * The tokens could not be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokensUnreadable extends Schema.TaggedError<TokensUnreadable>()("TokensUnreadable", {
  source: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the tokens of ${this.source} cannot be read: ${this.reason}`
  }
}

const digest = (token: string): Buffer => hashOnce("sha256", token, "buffer")

/**
 * The SHA-256 of a token, as {@link Token} has it.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hash = (token: Redacted.Redacted): string => digest(Redacted.value(token)).toString("hex")

/**
 * Makes a new token: 32 random bytes as text. Nobody guesses one, which is why a plain hash is enough to keep it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generate: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(`ef_${randomBytes(32).toString("base64url")}`)
)

interface Known {
  readonly digest: Buffer
  readonly principal: Principal.Principal["Service"]
}

const knownOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<Known> =>
  tokens.map(({ categories, name, scopes, sha256 }) => ({
    digest: Buffer.from(sha256, "hex"),
    principal: { name, scopes, categories, token: sha256.slice(0, 12) }
  }))

const bearer = ({ headers }: HttpServerRequest): string | undefined =>
  /^bearer +(\S+) *$/i.exec(headers["authorization"] ?? "")?.[1]

const missing = new Unauthorized({ detail: "the request has no bearer token" })
const unknown = new Unauthorized({ detail: "the token is not known" })

/** Compares with every token, so that the time tells nothing of where it was found. */
const find = (known: ReadonlyArray<Known>, token: string): Principal.Principal["Service"] | undefined => {
  const presented = digest(token)
  let found: Principal.Principal["Service"] | undefined
  for (const one of known) if (timingSafeEqual(one.digest, presented)) found = one.principal
  return found
}

const authenticateWith =
  (known: Effect.Effect<ReadonlyArray<Known>>) =>
  (request: HttpServerRequest): Effect.Effect<Principal.Principal["Service"], Unauthorized> => {
    const token = bearer(request)
    if (token === undefined) return Effect.fail(missing)
    return Effect.flatMap(known, (tokens) => {
      const principal = find(tokens, token)
      return principal === undefined ? Effect.fail(unknown) : Effect.succeed(principal)
    })
  }

/**
 * Authenticates by these tokens.
 *
 * @example
 * ```ts
 * import { Tokens } from "@eventfold/http"
 * import { Redacted } from "effect"
 *
 * const Authenticated = Tokens.layer([{
 *   name: "shop",
 *   sha256: Tokens.hash(Redacted.make("ef_...")),
 *   scopes: ["read", "append"],
 *   categories: ["order", "order:*"]
 * }])
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (tokens: ReadonlyArray<Token>): Layer.Layer<Authentication> =>
  Layer.succeed(Authentication, {
    isOpen: false,
    authenticate: authenticateWith(Effect.succeed(knownOf(tokens)))
  })

/**
 * Authenticates by the tokens that an effect reads.
 *
 * **Details**
 *
 * The effect is asked when the layer is built, which fails as it does; and again for a request when the last answer is older than a
 * second, so that a token which is taken away works for a second at most. When it fails then, the tokens that are known stay, and a
 * warning is logged: a file that is being written must not lock everyone out.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReloaded = <E, R>(
  tokens: Effect.Effect<ReadonlyArray<Token>, E, R>
): Layer.Layer<Authentication, E, R> =>
  Layer.effect(
    Authentication,
    Effect.gen(function*() {
      const context = yield* Effect.context<R>()
      const read = Effect.map(tokens, knownOf)
      let known = yield* read
      let readAt = yield* Clock.currentTimeMillis
      const refreshed = Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (now - readAt < reloadMillis) return known
        // Before the read: the requests that come meanwhile need not wait for it.
        readAt = now
        yield* read.pipe(
          Effect.match({
            onFailure: (error) => Effect.logWarning("tokens could not be read again", error),
            onSuccess: (tokens) =>
              Effect.sync(() => {
                known = tokens
              })
          }),
          Effect.flatten,
          Effect.provideContext(context)
        )
        return known
      })
      return { isOpen: false, authenticate: authenticateWith(refreshed) }
    })
  )

const reloadMillis = 1_000

const decodeFile = Schema.decodeEffect(Schema.fromJsonString(Schema.Array(Token)))

/**
 * Authenticates by the tokens of a JSON file: a list of {@link Token}. Changes of the file take effect within a second.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (path: string): Layer.Layer<Authentication, TokensUnreadable> => {
  const unreadable = (reason: string) => new TokensUnreadable({ source: path, reason })
  return layerReloaded(
    Effect.tryPromise({
      try: () => readFile(path, "utf8"),
      catch: (error) => unreadable(error instanceof Error ? error.message : String(error))
    }).pipe(
      Effect.flatMap((text) => Effect.mapError(decodeFile(text), (error) => unreadable(error.message)))
    )
  )
}
