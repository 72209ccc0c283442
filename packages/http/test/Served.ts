/** Servers for tests, on a port of their own. */
import { Authentication, type Routes, Server, Tokens } from "@eventfold/http"
import { Effect, Layer, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { MessageStore } from "eventfold"

/** The tokens of tests, by the names of their senders. */
export const secrets = {
  writer: "ef_writer-of-everything",
  reader: "ef_reader-of-everything",
  orders: "ef_orders-alone",
  appender: "ef_appends-alone",
  admin: "ef_administrator"
} as const

const sha256 = (secret: string) => Tokens.hash(Redacted.make(secret))

export const tokens: ReadonlyArray<Tokens.Token> = [
  { name: "writer", sha256: sha256(secrets.writer), scopes: ["read", "append"] },
  { name: "reader", sha256: sha256(secrets.reader), scopes: ["read"] },
  { name: "orders", sha256: sha256(secrets.orders), scopes: ["read", "append"], categories: ["order", "order:*"] },
  { name: "appender", sha256: sha256(secrets.appender), scopes: ["append"] },
  { name: "admin", sha256: sha256(secrets.admin), scopes: ["admin"] }
]

/** The header of a sender. */
export const as = (name: keyof typeof secrets) => ({ authorization: `Bearer ${secrets[name]}` })

/** A server on a store, with the tokens of tests. */
export const serve = (options: Partial<Server.Options> = {}) =>
  Server.layer({ port: 0, accessLog: false, ...options }).pipe(Layer.provide(Tokens.layer(tokens)))

/** A server that lets everyone in. */
export const serveOpen = (options: Partial<Server.Options> & Routes.Options = {}) =>
  Server.layer({ port: 0, accessLog: false, ...options }).pipe(Layer.provide(Authentication.layerOpen))

export const inMemory = MessageStore.layerMemory

/** The address of the server of the context. */
export const address = Effect.map(HttpServer.HttpServer, (server) => HttpServer.formatAddress(server.address))
