/**
 * A command of an entity, whose types are not known: what `Commands` makes of each definition.
 */
import * as Arr from "effect/Array"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Category from "../../Category.ts"
import * as CommandRouter from "../../CommandRouter.ts"
import type { AnySchema, RunOptions } from "../../Commands.ts"
import * as Entity from "../../Entity.ts"
import { MessageId, nextId } from "../../Message.ts"
import { MessageStore } from "../../MessageStore.ts"
import * as Metadata from "../../Metadata.ts"
import { schemaOf } from "../category/eventDefinition.ts"
import { isOnItsOwn } from "../store/independence.ts"
import * as InProcess from "../store/inProcess.ts"
import { Accepted, CommandIdTaken, InvalidAnswer, InvalidPayload, issuesOf, Refused } from "./commandAnswers.ts"
import { commandDigest, comparingDigests, recordingDigest } from "./commandDigest.ts"
import { outcome } from "./decision.ts"
import { givingMetadata } from "./entityStream.ts"
import { eventId } from "./repeatedCommand.ts"

/** A definition whose schemas are not known. */
export interface UntypedDefinition<C extends Category.Any, S> {
  readonly payload: Category.Definition
  readonly error?: Schema.Codec<unknown, unknown> | undefined
  readonly success?: Schema.Codec<unknown, unknown> | undefined
  readonly decide: (
    state: S,
    payload: unknown,
    version: Option.Option<number>
  ) => Entity.Decided<Entity.Decision<Category.Event<C>>>
}

/** A struct without fields would take anything that is not null. */
const payloadSchema = (definition: Category.Definition): AnySchema =>
  Schema.isSchema(definition) || Object.keys(definition).length > 0
    ? schemaOf(definition)
    : Schema.Record(Schema.String, Schema.Never)

/** A value, and its JSON form. */
interface InJson {
  readonly value: unknown
  readonly json: Schema.Json
}

/** A refusal on its way out of a transaction, where it is told from what the library fails with. */
class Refusal {
  readonly refused: InJson
  constructor(refused: InJson) {
    this.refused = refused
  }
}

const isRefusal = (error: unknown): error is Refusal => error instanceof Refusal

const refused = ({ refused: { json, value } }: Refusal) => {
  const message = value instanceof Error && value.message !== "" ? { message: value.message } : {}
  return Effect.succeed(Refused.make({ refusal: json, ...message }))
}

/** Whether the options are such that another program could be told them. */
const canBeSent = (options: Entity.TransactOptions<unknown> | undefined): boolean =>
  options?.metadata === undefined && options?.retry === undefined && options?.freshness === undefined

/** Whether the caller is in a transaction, of which a decision elsewhere would be no part. */
const isInTransaction = MessageStore.use((store) =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.succeed(isOnItsOwn(store[InProcess.TypeId].transactions, context))
  )
)

/** The options with the id under which a command was sent, which may have arrived. */
const withId = <O extends { readonly commandId?: string | undefined }>(
  options: O | undefined,
  done: { readonly commandId: string } | undefined
) => done === undefined ? options : { ...options, commandId: done.commandId }

const errors = "all"

/** One command of an entity: how it is called, run by its name, and decided for another program. */
export const commandOf = <C extends Category.Any, S>(
  entity: Entity.Entity<C, S>,
  name: string,
  definition: UntypedDefinition<C, S>
) => {
  const { categoryName: category } = entity.category
  const { error, success } = definition
  const payload = payloadSchema(definition.payload)
  const payloadJson = Schema.toCodecJson(payload)
  const encodePayload = Schema.encodeUnknownEffect(payloadJson, { errors })
  // A field that the payload does not have may be a slip in the name of one that it has.
  const decodePayload = Schema.decodeUnknownEffect(payloadJson, { errors, onExcessProperty: "error" })
  const encodeRefusal = Schema.encodeUnknownEffect(Schema.toCodecJson(error ?? Schema.Never), { errors })
  const encodeReply = success && Schema.encodeUnknownEffect(Schema.toCodecJson(success), { errors })

  const misfit = (error: Schema.SchemaError) => new InvalidPayload({ category, command: name, issues: issuesOf(error) })
  const invalid = (what: "reply" | "refusal") => (error: Schema.SchemaError) =>
    new InvalidAnswer({ category, command: name, what, issues: issuesOf(error) })

  type Event = Category.Event<C>

  /** Decides, and brings the answer into its JSON form, before anything is written. */
  const decideInJson = (given: unknown) =>
  (
    state: S,
    version: Option.Option<number>
  ): Effect.Effect<Entity.Replied<Entity.Decision<Event>, InJson | undefined>, Refusal | InvalidAnswer, unknown> => {
    const decided: Effect.Effect<
      { readonly decision: Entity.Decision<Event>; readonly reply: unknown },
      unknown,
      unknown
    > = outcome<Entity.Decision<Event>, Entity.Decided<Entity.Decision<Event>>>(
      definition.decide(state, given, version)
    )
    return decided.pipe(
      Effect.catch((value) =>
        Effect.flatMap(
          Effect.mapError(encodeRefusal(value), invalid("refusal")),
          (json) => Effect.fail(new Refusal({ value, json }))
        )
      ),
      Effect.flatMap(({ decision, reply: value }) => {
        const reply = encodeReply === undefined
          ? Effect.succeed(undefined)
          : Effect.map(Effect.mapError(encodeReply(value), invalid("reply")), (json) => ({ value, json }))
        return Effect.map(reply, (reply) => Entity.reply(decision, reply))
      })
    )
  }

  const transact = Effect.fn("Commands.run", { attributes: { "eventfold.command": name } })(function*(
    id: Category.Id<C>,
    given: unknown,
    options: Entity.TransactOptions<Category.GivenMetadata<C>> | undefined
  ) {
    const json = yield* Effect.mapError(encodePayload(given), misfit)
    const store = yield* MessageStore
    const stream = givingMetadata(yield* Entity.streamOf(entity.at(id)), options?.metadata)
    const { streamName } = stream
    yield* Effect.annotateCurrentSpan("eventfold.stream", streamName)
    const decide = decideInJson(given)
    const commandId = options?.commandId
    if (commandId === undefined) {
      return yield* Entity.transactIn(store, Entity.boundaryOf(store, stream), decide, options)
    }
    const digest = commandDigest(commandId, name, json)
    const other = () => new CommandIdTaken({ streamName, command: name, commandId })
    const boundary = comparingDigests(Entity.boundaryOf(store, recordingDigest(stream, digest)), digest, other)
    return yield* Entity.transactIn(store, boundary, decide, options)
  })

  const stateJson = Schema.toCodecJson(entity.state)
  const decodeState = Schema.decodeUnknownEffect(stateJson)
  const encodeState = Schema.encodeUnknownEffect(stateJson)
  const decodeReply = success && Schema.decodeUnknownEffect(Schema.toCodecJson(success))
  const decodeRefusal = Schema.decodeUnknownEffect(Schema.toCodecJson(error ?? Schema.Never))

  /** Sends the command to where its entity is. None when it is to be decided here. */
  const sent = Effect.fnUntraced(function*(
    id: Category.Id<C>,
    given: unknown,
    options: Entity.TransactOptions<Category.GivenMetadata<C>> | undefined,
    wantsState: boolean
  ) {
    const router = yield* CommandRouter.CommandRouter
    if (Option.isNone(router) || !canBeSent(options) || (yield* isInTransaction)) return undefined
    const payload = yield* Effect.mapError(encodePayload(given), misfit)
    const streamName = yield* Category.plain(entity.category).streamName(id)
    const ambient = yield* Metadata.Ambient
    // An append that is sent twice is written once, by the ids that follow from this one.
    const commandId = options?.commandId ?? (yield* nextId)
    const outcome = yield* router.value.send({
      category,
      command: name,
      id: streamName.slice(category.length + 1),
      payload,
      commandId,
      metadata: ambient === undefined ? {} : Metadata.ambientFor(ambient, undefined),
      wantsState
    })
    return { commandId, outcome: Option.getOrUndefined(outcome) }
  })

  /** The result of a command that was decided elsewhere, as it is of one that was decided here. */
  const arrived = Effect.fnUntraced(function*(
    id: Category.Id<C>,
    commandId: string,
    { after, globalPosition, reply, version }: CommandRouter.Performed
  ) {
    const stream = yield* Entity.streamOf(entity.at(id))
    const { streamName } = stream
    const { events, state } = after ?? { events: [], state: null }
    const first = Option.getOrElse(version, () => -1) - events.length + 1
    const decoded = yield* Effect.forEach(
      events,
      ({ data, id, metadata = null, type }, index) =>
        Category.plain(entity.category).decode({
          id: MessageId.make(id ?? eventId(commandId, streamName, index)),
          streamName,
          type,
          position: Math.max(0, first + index),
          globalPosition: Option.getOrElse(globalPosition, () => 0),
          data,
          metadata,
          time: DateTime.makeUnsafe(0)
        })
    )
    return {
      // What another program of the same definitions has encoded is decoded by the same schemas.
      state: yield* Effect.orDie(decodeState(state)),
      version,
      events: Arr.getSomes(decoded).map(stream.unrecorded),
      reply: decodeReply === undefined ? undefined : yield* Effect.orDie(decodeReply(reply)),
      globalPosition
    }
  })

  const callHere = (
    id: Category.Id<C>,
    given: unknown,
    options?: Entity.TransactOptions<Category.GivenMetadata<C>>
  ) =>
    transact(id, given, options).pipe(
      Effect.map((transacted) => ({ ...transacted, reply: transacted.reply?.value })),
      Effect.mapError((error) => isRefusal(error) ? error.refused.value : error)
    )

  const call = (
    id: Category.Id<C>,
    given: unknown,
    options?: Entity.TransactOptions<Category.GivenMetadata<C>>
  ) =>
    Effect.flatMap(CommandRouter.CommandRouter, (router) => {
      if (Option.isNone(router)) return callHere(id, given, options)
      return Effect.gen(function*() {
        const done = yield* sent(id, given, options, true)
        if (done?.outcome === undefined) return yield* callHere(id, given, withId(options, done))
        if (done.outcome._tag === "Performed") return yield* arrived(id, done.commandId, done.outcome)
        return yield* Effect.flatMap(Effect.orDie(decodeRefusal(done.outcome.refusal)), Effect.fail)
      })
    })

  const decide = (given: unknown) => {
    const decision = (state: S, version: Option.Option<number>) =>
      Effect.mapError(encodePayload(given), misfit).pipe(
        Effect.andThen(() => decideInJson(given)(state, version)),
        Effect.map(({ decision, reply }) => reply === undefined ? decision : Entity.reply(decision, reply.value)),
        Effect.mapError((error) => isRefusal(error) ? error.refused.value : error)
      )
    // A spec tells who decides.
    return Object.defineProperty(decision, "name", { value: `${name} ${Formatter.format(given)}` })
  }

  const perform = Effect.fnUntraced(function*({ commandId, id, metadata, payload, wantsState }: CommandRouter.Sent) {
    const streamId = yield* Category.plain(entity.category).id(`${category}-${id}`)
    const decoded = yield* Effect.mapError(decodePayload(payload), misfit)
    return yield* transact(streamId, decoded, { commandId }).pipe(
      Metadata.with(metadata),
      Effect.flatMap(Effect.fnUntraced(function*({ events, globalPosition, reply, state, version }) {
        const done = { ...reply && { reply: reply.json }, version, globalPosition }
        if (!wantsState) return CommandRouter.Performed.make(done)
        const messages = yield* Category.plain(entity.category).encode(`${category}-${id}`, events)
        return CommandRouter.Performed.make({
          ...done,
          after: {
            state: yield* Effect.orDie(encodeState(state)) as Effect.Effect<Schema.Json>,
            events: messages.map(({ data, id, metadata, type }) => ({ id, type, data, metadata }))
          }
        })
      })),
      Effect.catchIf(isRefusal, refused)
    )
  }, Effect.provideService(CommandRouter.CommandRouter, Option.none()))

  const run = Effect.fnUntraced(function*(id: string, given: unknown, options: RunOptions | undefined) {
    const streamId = yield* Category.plain(entity.category).id(`${category}-${id}`)
    const decoded = yield* Effect.mapError(decodePayload(given), misfit)
    const done = yield* sent(streamId, decoded, options, false)
    if (done?.outcome !== undefined) {
      const { outcome } = done
      if (outcome._tag === "Refused") return outcome
      const { globalPosition, reply, version } = outcome
      return Accepted.make({ ...reply !== undefined && { reply }, version, globalPosition })
    }
    return yield* transact(streamId, decoded, withId(options, done)).pipe(
      Effect.map(({ globalPosition, reply, version }) =>
        Accepted.make({ ...reply && { reply: reply.json }, version, globalPosition })
      ),
      Effect.catchIf(isRefusal, refused)
    )
  })

  return { description: { name, payload, error, success }, call: Object.assign(call, { decide }), run, perform }
}
