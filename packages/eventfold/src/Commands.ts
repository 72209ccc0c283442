/**
 * Commands by name: the decisions on an entity, each with a name and the schemas of its payload, its refusals and its reply.
 *
 * **When to use**
 *
 * When the decisions on an entity belong in one place, where a program calls them as functions and a server offers them by
 * name. A decision that is needed in one place only, or on several entities, needs no name: see `Entity.transact` and
 * `Entity.transactAll`.
 *
 * **Details**
 *
 * {@link make} makes the functions of an entity's commands. {@link run} runs a command by its name, on JSON: it is what a
 * server needs. {@link describe} tells the names and the schemas, for an API document or a form.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Category from "./Category.ts"
import * as CommandRouter from "./CommandRouter.ts"
import * as Entity from "./Entity.ts"
import { type DefinitionServices, schemaOf } from "./internal/category/eventDefinition.ts"
import {
  Accepted,
  type Answer,
  CommandIdTaken,
  InvalidAnswer,
  InvalidPayload,
  issuesOf,
  Refused,
  UnknownCommand
} from "./internal/entity/commandAnswers.ts"
import { commandDigest, comparingDigests, recordingDigest } from "./internal/entity/commandDigest.ts"
import { outcome } from "./internal/entity/decision.ts"
import { givingMetadata } from "./internal/entity/entityStream.ts"
import { eventId } from "./internal/entity/repeatedCommand.ts"
import { isOnItsOwn } from "./internal/store/independence.ts"
import * as InProcess from "./internal/store/inProcess.ts"
import { MessageId, nextId } from "./Message.ts"
import { MessageStore } from "./MessageStore.ts"
import * as Metadata from "./Metadata.ts"

/** @since 0.1.0 */
export {
  Accepted,
  Answer,
  CommandIdTaken,
  InvalidAnswer,
  InvalidPayload,
  type Issue,
  Refused,
  UnknownCommand
} from "./internal/entity/commandAnswers.ts"

/**
 * The errors of a command beside its refusals, when the program calls it: those of a transaction, and these.
 *
 * - {@link InvalidPayload}: the payload does not fit its schema.
 * - {@link InvalidAnswer}: the reply or the refusal does not fit its schema.
 * - {@link CommandIdTaken}: the command id is that of another command.
 *
 * @category errors
 * @since 0.1.0
 */
export type CommandError = InvalidPayload | InvalidAnswer | CommandIdTaken | Entity.TransactError

/**
 * The errors of {@link run}. Refusals are none of them: see {@link Answer}.
 *
 * @category errors
 * @since 0.1.0
 */
export type RunError = UnknownCommand | CommandError

type AnySchema = Schema.Codec<unknown, unknown, unknown, unknown>

/**
 * A command as {@link describe} tells it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly name: string
  readonly payload: AnySchema
  /** The schema of the refusals; `undefined` when the command never refuses. */
  readonly error: AnySchema | undefined
  /** The schema of the reply; `undefined` when the command has none. */
  readonly success: AnySchema | undefined
}

const TypeId = "~eventfold/Commands"

/** A command whose types are not known. */
interface Untyped<R> {
  readonly description: Description
  /** Decides here what another program has sent, on the state in the cache. */
  readonly perform: (sent: CommandRouter.Sent) => Effect.Effect<CommandRouter.Outcome, CommandError, R>
  readonly run: (
    id: string,
    payload: unknown,
    options: RunOptions | undefined
  ) => Effect.Effect<Answer, CommandError, R>
}

/**
 * The commands of any entity, as a bound of type parameters. `R` is what they need.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any<out R = unknown> {
  readonly [TypeId]: {
    readonly category: string
    readonly byName: ReadonlyMap<string, Untyped<R>>
  }
}

/**
 * The types of a command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signature {
  /** The schema of the payload, or the fields of a struct. */
  readonly payload: Category.Definition
  /** What the command refuses with; `never` when it never refuses. */
  readonly refusal: unknown
  /** What the command replies; `void` when it has no reply. */
  readonly reply: unknown
  /** The services that the decision needs. */
  readonly needs: unknown
}

/**
 * The entity of commands, as a bound of type parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyEntity {
  readonly category: Category.Any
  readonly initial: unknown
}

type Outcome<Event, Reply> = [Reply] extends [void] ? Entity.Decision<Event>
  : Entity.Replied<Entity.Decision<Event>, Reply>

/**
 * A command of an entity: a function that decides and appends, as `Entity.transact` does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Command<E extends AnyEntity, S extends Signature> {
  /**
   * Runs the command on the entity with an id.
   *
   * **Details**
   *
   * The payload is checked against its schema first. With a `commandId` the command has one effect, however often it is
   * sent: the second time gives the first result, and another command under the id is refused with {@link CommandIdTaken}.
   */
  (
    id: Category.Id<E["category"]>,
    payload: Category.Data<S["payload"]>,
    options?: Entity.TransactOptions<Category.GivenMetadata<E["category"]>>
  ): Effect.Effect<
    Entity.Transacted<E["initial"], E["category"], S["reply"]>,
    S["refusal"] | CommandError,
    S["needs"] | DefinitionServices<S["payload"]> | MessageStore | Category.Services<E["category"]>
  >
  /**
   * The decision of the command on a payload: a function of the state, for a spec and for `Entity.transact`. It refuses with
   * {@link InvalidPayload} when the payload does not fit its schema.
   */
  readonly decide: (payload: Category.Data<S["payload"]>) => (
    state: E["initial"],
    version: Option.Option<number>
  ) => Effect.Effect<
    Outcome<Category.Event<E["category"]>, S["reply"]>,
    S["refusal"] | InvalidPayload | InvalidAnswer,
    S["needs"] | DefinitionServices<S["payload"]>
  >
}

/** What a set of commands needs to be run. */
type Needs<E extends AnyEntity, D extends Signatures<D>> =
  | { readonly [K in keyof D]: D[K]["needs"] | DefinitionServices<D[K]["payload"]> }[keyof D]
  | MessageStore
  | Category.Services<E["category"]>

/** The types of commands by name. */
type Signatures<D> = { readonly [K in keyof D]: Signature }

/**
 * The commands of an entity, by name. `D` has the types of each.
 *
 * @category models
 * @since 0.1.0
 */
export type Commands<E extends AnyEntity, D extends Signatures<D>> =
  & { readonly [K in keyof D]: Command<E, D[K]> }
  & Any<Needs<E, D>>

/** What the compiler did not infer, because it is not given. */
type Given<T> = unknown extends T ? never : T

type Decided<Event, Reply, Refusal, R> =
  | (unknown extends Reply ? Entity.Decision<Event> : Entity.Replied<Entity.Decision<Event>, Reply>)
  | Effect.Effect<
    unknown extends Reply ? Entity.Decision<Event> : Entity.Replied<Entity.Decision<Event>, Reply>,
    Given<Refusal>,
    R
  >

/**
 * The definition of a command.
 *
 * @category options
 * @since 0.1.0
 */
export interface Definition<C extends Category.Any, S, P extends Category.Definition, Refusal, Reply, R> {
  /** The schema of the payload, or the fields of a struct. `{}` takes an empty object. */
  readonly payload: P
  /** The schema of the refusals: of one tagged error, or of a union. Without it the command never refuses. */
  readonly error?: Schema.Codec<Refusal, unknown> | undefined
  /** The schema of the reply: see `Entity.reply`. Without it the command has no reply. */
  readonly success?: Schema.Codec<Reply, unknown> | undefined
  /**
   * The decision: a plain function or an effect, as `Entity.transact` takes it. It gives the events that follow, with a
   * reply when there is a schema for it, or refuses. It may run several times.
   */
  readonly decide: (
    state: S,
    payload: Category.Data<P>,
    version: Option.Option<number>
  ) => Decided<Category.Event<C>, NoInfer<Reply>, NoInfer<Refusal>, R>
}

/** A definition whose schemas are not known. */
interface UntypedDefinition<C extends Category.Any, S> {
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

/** One command of an entity. */
const commandOf = <C extends Category.Any, S>(
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
    // On an older state the append fails, and what appends nothing is checked: so it is decided as on the latest.
    return yield* transact(streamId, decoded, { commandId, freshness: "cached", alwaysCheck: true }).pipe(
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

/**
 * Defines the commands of an entity: by name, the payload, the refusals, the reply and the decision.
 *
 * **Details**
 *
 * Each command is a function of the result: `BalanceCommands.Withdraw(id, { cents: 5 }, { commandId: "c-1" })`. A name may be
 * any text; those that every object has, such as `constructor`, are names like others.
 *
 * The payload, the reply and the refusal are checked against their schemas on every way, also when the program calls the
 * command: what `decide` gets fits, and what does not fit is never written or answered.
 *
 * @example
 * ```ts
 * import { Category, Commands, Entity } from "eventfold"
 * import { Effect, Schema } from "effect"
 *
 * class Account extends Category.make("account", { Deposited: { cents: Schema.Int }, Withdrawn: { cents: Schema.Int } }) {}
 *
 * const Balance = Entity.make(Account, {
 *   state: Schema.Int,
 *   initial: 0,
 *   evolve: { Deposited: (balance, { cents }) => balance + cents, Withdrawn: (balance, { cents }) => balance - cents }
 * })
 *
 * class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.Int }) {}
 *
 * const Cents = Schema.Int.check(Schema.isGreaterThan(0))
 *
 * const BalanceCommands = Commands.make(Balance, {
 *   Deposit: {
 *     payload: { cents: Cents },
 *     decide: (_, { cents }) => Account.events.Deposited({ cents })
 *   },
 *   Withdraw: {
 *     payload: { cents: Cents },
 *     error: Overdrawn,
 *     success: Schema.Int,
 *     decide: (balance, { cents }) =>
 *       balance < cents
 *         ? Effect.fail(new Overdrawn({ missing: cents - balance }))
 *         : Effect.succeed(Entity.reply(Account.events.Withdrawn({ cents }), balance - cents))
 *   }
 * })
 *
 * const program = BalanceCommands.Withdraw("a17", { cents: 500 }, { commandId: "c-1" })
 * //    Effect<Transacted<number, typeof Account, number>, Overdrawn | CommandError, MessageStore>
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  C extends Category.Any,
  S,
  const P extends { readonly [name: string]: Category.Definition },
  Refusals extends { readonly [name: string]: unknown },
  Replies extends { readonly [name: string]: unknown },
  R extends { readonly [name: string]: unknown }
>(
  entity: Entity.Entity<C, S>,
  definitions:
    & {
      readonly [K in keyof P & keyof Refusals & keyof Replies & keyof R]: Definition<
        C,
        S,
        P[K],
        Refusals[K],
        Replies[K],
        R[K]
      >
    }
    // In an object literal, `__proto__` is no property: it would be lost.
    & { readonly __proto__?: never }
): Commands<
  Entity.Entity<C, S>,
  {
    readonly [K in keyof P & keyof Refusals & keyof Replies & keyof R]: {
      readonly payload: P[K]
      readonly refusal: Given<Refusals[K]>
      readonly reply: unknown extends Replies[K] ? void : Replies[K]
      readonly needs: Given<R[K]>
    }
  }
> => {
  const commands = Object.entries(definitions as { readonly [name: string]: UntypedDefinition<C, S> }).map((
    [name, definition]
  ) => commandOf(entity, name, definition))
  const any: Any = {
    [TypeId]: {
      category: entity.category.categoryName,
      byName: new Map(commands.map((command) => [command.description.name, command]))
    }
  }
  const calls = Object.fromEntries(commands.map(({ call, description: { name } }) => [name, call]))
  // Each has the types of its definition, which the compiler can't follow through the record.
  return { ...calls, ...any } as never
}

/**
 * Describes the commands of an entity, in the order in which they were defined.
 *
 * **When to use**
 *
 * To offer them: in an API document, a form, or a list of tools. All of the schemas have a JSON form: `Schema.toCodecJson` and
 * `Schema.toJsonSchemaDocument` give it.
 *
 * @category getters
 * @since 0.1.0
 */
export const describe = (
  commands: Any
): { readonly category: string; readonly commands: ReadonlyArray<Description> } => ({
  category: commands[TypeId].category,
  commands: Array.from(commands[TypeId].byName.values(), ({ description }) => description)
})

/**
 * The options of {@link run}: those of a transaction. Metadata comes from the context, by `Metadata.with`.
 *
 * @category options
 * @since 0.1.0
 */
export interface RunOptions extends Omit<Entity.TransactOptions, "metadata"> {}

/**
 * Runs a command by its name, on JSON: the id as it is in a stream name, and the payload in the JSON form of its schema.
 *
 * **When to use**
 *
 * Where commands come in by name: in a server, from a queue, at a command line. Elsewhere call the command itself, which has
 * types.
 *
 * **Details**
 *
 * 1. The payload is decoded. A field that its schema does not have is refused as one that does not fit.
 * 2. The command decides, and its reply or refusal is encoded by its schema. When it does not fit, nothing is written.
 * 3. The events are appended, as `Entity.transact` does.
 *
 * The result is an {@link Answer}: `Accepted` with the reply, or `Refused` with the refusal. Fails with {@link UnknownCommand},
 * {@link InvalidPayload}, `InvalidStreamName` when the id does not fit, and as a transaction does.
 *
 * @example
 * ```ts
 * import { Commands } from "eventfold"
 * import { Effect, type Schema } from "effect"
 *
 * // What an HTTP handler answers to `POST /accounts/{id}/{name}`.
 * const post = <R>(commands: Commands.Any<R>, name: string, id: string, body: Schema.Json, idempotencyKey: string) =>
 *   Commands.run(commands, name, id, body, { commandId: idempotencyKey }).pipe(
 *     Effect.map((answer) =>
 *       answer._tag === "Accepted" ? { status: 200, body: answer.reply } : { status: 409, body: answer.refusal }
 *     ),
 *     Effect.catchTags({
 *       UnknownCommand: ({ message }) => Effect.succeed({ status: 404, body: message }),
 *       InvalidPayload: ({ issues }) => Effect.succeed({ status: 400, body: issues }),
 *       CommandIdTaken: ({ message }) => Effect.succeed({ status: 422, body: message })
 *     })
 *   )
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <R>(
  commands: Any<R>,
  name: string,
  id: string,
  payload: unknown,
  options?: RunOptions
): Effect.Effect<Answer, RunError, R> => {
  const { byName, category } = commands[TypeId]
  const command = byName.get(name)
  return command === undefined
    ? Effect.fail(new UnknownCommand({ category, command: name, known: [...byName.keys()] }))
    : command.run(id, payload, options)
}

/**
 * Decides a command here that another program has sent by its `CommandRouter`, on the state in the cache of the context, if there is one.
 * What has become older meanwhile is decided again on the latest, as in `Entity.transact`. It is for routers.
 *
 * Fails with {@link UnknownCommand} and as the command does.
 *
 * @category running
 * @since 0.1.0
 */
export const perform = <R>(
  commands: Any<R>,
  sent: CommandRouter.Sent
): Effect.Effect<CommandRouter.Outcome, RunError, R> => {
  const { byName, category } = commands[TypeId]
  const command = byName.get(sent.command)
  return command === undefined
    ? Effect.fail(new UnknownCommand({ category, command: sent.command, known: [...byName.keys()] }))
    : command.perform(sent)
}
