/**
 * The routes of entities and their commands.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Message from "eventfold/Message"
import * as Metadata from "eventfold/Metadata"
import { DefinitionNotLoaded, Observe } from "eventfold/Observe"
import { Api } from "../../Api.ts"
import { Limits } from "../../Limits.ts"
import { allows, Principal, type Scope } from "../../Principal.ts"
import * as Problem from "../../Problem.ts"
import { authorize, authorizeSome } from "../authentication/access.ts"
import { maySee } from "../authentication/sight.ts"
import { pageLimit } from "../limits/pages.ts"
import { writerTrace } from "../messages/newMessages.ts"
import { etag } from "../messages/preconditions.ts"
import { orProblem } from "../problems/failures.ts"
import { ofCommand, ofEntity, ofNotLoaded } from "./failures.ts"
import { timeOf } from "./moment.ts"

/** The version or the time of a query. */
const moment = (at: number | string | undefined) => {
  if (at === undefined) return Effect.undefined
  return typeof at === "number"
    ? Effect.succeed({ version: at })
    : Effect.map(timeOf(["query", "at"], at), (time) => ({ time }))
}

/** How much of states a page of changes has, in characters of JSON: a state can be as large as all of its events. */
const pageStates = 4 * 1024 * 1024

export const layer = HttpApiBuilder.group(
  Api,
  "entities",
  Effect.fnUntraced(function*(handlers) {
    const observe = yield* Observe
    const limits = yield* Limits
    const { entities } = observe.definitions

    /** The category of an entity that is loaded, for which the sender has the scope. A refusal would tell that it is loaded. */
    const categoryOf = Effect.fnUntraced(function*(scope: Scope, name: string) {
      yield* authorizeSome(scope)
      const principal = yield* Principal
      const found = entities.find(({ category, entity }) => entity === name && allows(principal, scope, category))
      if (found === undefined) {
        return yield* ofNotLoaded(new DefinitionNotLoaded({ kind: "entity", definition: name, loaded: [] }))
      }
      yield* authorize(scope, found.category)
      return found.category
    })

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        yield* authorizeSome("read")
        const isSeen = yield* maySee
        return {
          entities: entities.filter(({ category }) => isSeen([category])).map(({ category, commands, entity }) => ({
            entity,
            category,
            commands: commands.map(({ name }) => name)
          }))
        }
      }),

      state: Effect.fnUntraced(function*({ params: { entity, id }, query: { at, compare } }) {
        yield* categoryOf("read", entity)
        return yield* observe.entity(entity, id, { at: yield* moment(at), compare }).pipe(orProblem(ofEntity))
      }),

      changes: Effect.fnUntraced(function*({ params: { entity, id }, query: { from, limit } }) {
        yield* categoryOf("read", entity)
        const most = yield* pageLimit(limits, limit)
        let room = pageStates
        let count = 0
        // One more, whatever its size, tells whether there is a next page.
        const found = yield* observe.entityChanges(entity, id, { from, limit: most + 1 }).pipe(
          Stream.takeUntil(({ after }) => {
            room -= JSON.stringify(after).length
            count++
            return room < 0 && count > 1
          }),
          Stream.runCollect,
          orProblem(ofEntity)
        )
        const last = found.at(-1)
        const isCut = found.length > most || (room < 0 && found.length > 1)
        return isCut && last !== undefined
          ? { changes: found.slice(0, -1), next: last.message.position }
          : { changes: found }
      }),

      run: Effect.fnUntraced(function*({ headers, params: { command, entity, id }, payload }) {
        const category = yield* categoryOf("append", entity)
        const { name: sender } = yield* Principal
        const key = headers["idempotency-key"]
        const commandId = key === undefined
          ? undefined
          : Message.deriveId("http-command", sender, `${category}-${id}`, key)
        const answer = yield* observe.command(entity, id, command, payload, { commandId }).pipe(
          Metadata.with(yield* writerTrace(headers.traceparent)),
          orProblem(ofCommand(entity))
        )
        if (answer._tag === "Refused") {
          const { message: detail, refusal } = answer
          return yield* new Problem.CommandRefused({ ...(detail && { detail }), entity, command, refusal })
        }
        const reply = answer.reply === undefined ? {} : { reply: answer.reply }
        const version = Option.getOrNull(answer.version)
        const globalPosition = Option.getOrNull(answer.globalPosition)
        const tag = version === null ? {} : { etag: etag(version) }
        return version === null || globalPosition === null
          ? HttpApiSchema.withHeaders({ body: { ...reply, version, globalPosition: null }, headers: tag })
          : HttpApiSchema.withHeaders({ body: { ...reply, version, globalPosition }, headers: { etag: etag(version) } })
      })
    })
  })
)
