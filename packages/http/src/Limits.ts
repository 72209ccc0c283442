/**
 * How much a request, and a sender, may ask of the server.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"

/**
 * The limits of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /**
   * The largest body of a request, in bytes. A larger one is answered with 413. Defaults to 1,048,576, because a body is in memory as a
   * whole while it is decoded, and that is a thousand messages of a kilobyte.
   */
  readonly bodyBytes: number
  /**
   * The most messages of one page. A larger `limit` is answered with 400. Defaults to 1,000, because a larger page gains little speed and
   * costs memory. Without a `limit` a page has at most 100 messages.
   */
  readonly page: number
  /**
   * How many requests a sender may make in one second, by the name of its principal. More are answered with 429. Defaults to 1,000,
   * because a sender that makes more is usually a loop by mistake, and one that means it can send many messages in one request.
   */
  readonly requestsPerSecond: number
  /**
   * How long a request may wait for the store. Then it is answered with 503, and an append may have been written or not: to send it
   * again with the same ids or `Idempotency-Key` is safe. Defaults to 10 seconds, because clients and proxies seldom wait longer, and a
   * store on PostgreSQL by itself goes on for 30.
   */
  readonly patience: Duration.Input
  /** How many live answers a sender may hold open, by the name of its principal. Defaults to 100: a few for each of its processes. */
  readonly openLive: number
  /** How many live answers the server holds open in all. Defaults to 10,000, because each costs a socket and some memory. */
  readonly openLiveInAll: number
  /**
   * How many bytes may wait for a live client. One that takes them too slowly is cut off, and can resume. Defaults to 1,048,576: that
   * is a thousand messages of a kilobyte, and a client that keeps up has none.
   */
  readonly liveQueueBytes: number
  /**
   * How long a live client may leave lying what waits for it. Defaults to 30 seconds, so that a client survives a short loss of its
   * network, and one that is gone does not stay for long.
   */
  readonly liveStall: Duration.Input
  /** How often a live answer has a heartbeat. Defaults to 15 seconds, because many proxies close what is silent for 30 or 60. */
  readonly heartbeat: Duration.Input
}

/**
 * The limits where no option says otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaults: Limits = {
  bodyBytes: 1_048_576,
  page: 1_000,
  requestsPerSecond: 1_000,
  patience: "10 seconds",
  openLive: 100,
  openLiveInAll: 10_000,
  liveQueueBytes: 1_048_576,
  liveStall: "30 seconds",
  heartbeat: "15 seconds"
}

/**
 * The limits of the routes that are built in this context.
 *
 * @category references
 * @since 0.1.0
 */
export const Limits = Context.Reference<Limits>("@eventfold/http/Limits", { defaultValue: () => defaults })
