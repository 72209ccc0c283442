/**
 * The definition of the HTTP API.
 *
 * @since 0.1.0
 */
export * as Api from "./Api.ts"
/**
 * Says whom a request comes from.
 *
 * @since 0.1.0
 */
export * as Authentication from "./Authentication.ts"
/**
 * How much a request, and a sender, may ask of the server.
 *
 * @since 0.1.0
 */
export * as Limits from "./Limits.ts"
/**
 * Whom a request comes from, and what it may do.
 *
 * @since 0.1.0
 */
export * as Principal from "./Principal.ts"
/**
 * The problems that the HTTP API answers with.
 *
 * @since 0.1.0
 */
export * as Problem from "./Problem.ts"
/**
 * The routes of the HTTP API as a layer.
 *
 * @since 0.1.0
 */
export * as Routes from "./Routes.ts"
