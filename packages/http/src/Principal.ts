/**
 * Whom a request comes from, and what it may do.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

/**
 * What a request may do: `read` messages, `append` them, or `admin`, which includes both.
 *
 * @category models
 * @since 0.1.0
 */
export const Scope = Schema.Literals(["read", "append", "admin"])

/**
 * What a request may do: `read` messages, `append` them, or `admin`, which includes both.
 *
 * @category models
 * @since 0.1.0
 */
export type Scope = typeof Scope.Type

/**
 * Whom the request in progress comes from. An `Authentication` says so.
 *
 * **Details**
 *
 * A pattern of `categories` is `*` for all categories, `order:*` for all whose names begin with `order:`, or the name of one.
 *
 * @category services
 * @since 0.1.0
 */
export class Principal extends Context.Service<Principal, {
  /**
   * Names the sender in the access log. Rates and open live answers are counted by it, and ids that come from an
   * `Idempotency-Key` depend on it: so it must stay the same when a token is replaced.
   */
  readonly name: string
  readonly scopes: ReadonlyArray<Scope>
  /**
   * Tells what the name was shown with, where a sender may have several: `Tokens` gives the first 12 digits of the token's SHA-256.
   * Records of administration have it. Defaults to none.
   */
  readonly token?: string | undefined
  /** Patterns of categories. Defaults to all. */
  readonly categories?: ReadonlyArray<string> | undefined
}>()("@eventfold/http/Principal") {}

const covers = (pattern: string, category: string): boolean =>
  pattern === "*" || pattern === category || (pattern.endsWith(":*") && category.startsWith(pattern.slice(0, -1)))

/**
 * Whether a principal has a scope, for some categories at least.
 *
 * @category predicates
 * @since 0.1.0
 */
export const hasScope = ({ scopes }: Principal["Service"], scope: Scope): boolean =>
  scopes.includes(scope) || scopes.includes("admin")

/**
 * Whether a principal has a scope, and covers a category; or all categories when there is none.
 *
 * @category predicates
 * @since 0.1.0
 */
export const allows = (principal: Principal["Service"], scope: Scope, category?: string | undefined): boolean => {
  if (!hasScope(principal, scope)) return false
  const { categories = ["*"] } = principal
  return category === undefined
    ? categories.includes("*")
    : categories.some((pattern) => covers(pattern, category))
}
