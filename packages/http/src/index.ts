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
 * The typed client of the HTTP API.
 *
 * @since 0.1.0
 */
export * as Client from "./Client.ts"
/**
 * How much a request, and a sender, may ask of the server.
 *
 * @since 0.1.0
 */
export * as Limits from "./Limits.ts"
/**
 * Which streams Messagestore's routes serve.
 *
 * @since 0.1.0
 */
export * as Messagestore from "./Messagestore.ts"
/**
 * The definition of the routes that tell what happens right now, and what the store and the server are.
 *
 * @since 0.1.0
 */
export * as NowApi from "./NowApi.ts"
/**
 * The definition of the routes that show what an application is.
 *
 * @since 0.1.0
 */
export * as ObserveApi from "./ObserveApi.ts"
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
 * The definition of the routes that show consumers and read models, and steer them.
 *
 * @since 0.1.0
 */
export * as ReadersApi from "./ReadersApi.ts"
/**
 * When a server is ready to take requests.
 *
 * @since 0.1.0
 */
export * as Readiness from "./Readiness.ts"
/**
 * The routes of the HTTP API as a layer.
 *
 * @since 0.1.0
 */
export * as Routes from "./Routes.ts"
/**
 * Serves the HTTP API alone, with safe defaults.
 *
 * @since 0.1.0
 */
export * as Server from "./Server.ts"
/**
 * Bearer tokens.
 *
 * @since 0.1.0
 */
export * as Tokens from "./Tokens.ts"
