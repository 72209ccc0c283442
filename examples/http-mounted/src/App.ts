/**
 * A notice board: its own routes, its own sessions, and below `/events` the store's routes, which the sessions open.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Authentication, Problem, Routes } from "@eventfold/http"
import { Effect, Latch, Layer, Option, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Category } from "eventfold"
import { createServer } from "node:http"
import { cookie, currentUser, Sessions, type User } from "./Sessions.ts"

/** A board for each user, a message for each note. */
class Board extends Category.make("board", { Pinned: { text: Schema.NonEmptyString } }) {}

const refused = HttpServerResponse.empty({ status: 401 })

const logIn = HttpRouter.add(
  "POST",
  "/login",
  Effect.gen(function*() {
    const { name, password } = yield* HttpServerRequest.schemaBodyJson(
      Schema.Struct({ name: Schema.String, password: Schema.String })
    )
    const session = (yield* Sessions).start(name, password)
    if (Option.isNone(session)) return refused
    return yield* HttpServerResponse.setCookie(HttpServerResponse.empty(), cookie, session.value, {
      httpOnly: true,
      path: "/",
      sameSite: "strict"
    })
  })
)

const pin = HttpRouter.add(
  "POST",
  "/notes",
  Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
    const user = yield* currentUser(request)
    if (Option.isNone(user)) return refused
    const note = yield* HttpServerRequest.schemaBodyJson(Schema.Struct({ text: Schema.NonEmptyString }))
    yield* Board.append(user.value.name, Board.events.Pinned(note))
    return HttpServerResponse.empty({ status: 201 })
  })
)

/** A browser sends the cookie with the live answer as well. */
const page = HttpRouter.add(
  "GET",
  "/",
  HttpServerResponse.html(`<!doctype html><title>Board</title><ul></ul><script>
    new EventSource("/events/categories/board/live").addEventListener("message", ({ data }) => {
      document.querySelector("ul").appendChild(document.createElement("li")).textContent = JSON.parse(data).data.text
    })
  </script>`)
)

/** What a user may do below `/events`: read the board, or everything. Notes are pinned by the route above alone. */
const principalOf = ({ isAuditor, name }: User) => ({
  name,
  scopes: ["read" as const],
  categories: isAuditor ? ["*"] : [Board.categoryName]
})

const BySession = Layer.effect(
  Authentication.Authentication,
  Effect.map(Sessions, ({ userOf }) => ({
    isOpen: false,
    authenticate: (request: HttpServerRequest.HttpServerRequest) =>
      Option.match(userOf(request), {
        onNone: () => Effect.fail(new Problem.Unauthorized({ detail: "log in with POST /login" })),
        onSome: (user) => Effect.succeed(principalOf(user))
      })
  }))
)

/** The application, which listens on a port of this machine. It needs a `MessageStore`. */
export const layer = (port: number) =>
  Layer.unwrap(Effect.map(Latch.make(), (closing) => {
    const events = Routes.layer({ prefix: "/events", closing: closing.await })
    const served = HttpRouter.serve(Layer.mergeAll(logIn, pin, page, Layer.provide(events, BySession)), {
      disableListenLog: true,
      disableLogger: true
    }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" })),
      Layer.provide(Sessions.layer)
    )
    // Outermost, so that live answers end before the server waits for them.
    return Layer.effectDiscard(Effect.addFinalizer(() => closing.open)).pipe(Layer.provideMerge(served))
  }))
