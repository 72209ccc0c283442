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
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Category from "./Category.ts"
import type * as CommandRouter from "./CommandRouter.ts"
import type * as Entity from "./Entity.ts"
import type { DefinitionServices } from "./internal/category/eventDefinition.ts"
import {
  type Answer,
  type CommandIdTaken,
  type InvalidAnswer,
  type InvalidPayload,
  UnknownCommand
} from "./internal/entity/commandAnswers.ts"
import { commandOf, type UntypedDefinition } from "./internal/entity/namedCommand.ts"
import type { MessageStore } from "./MessageStore.ts"

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

/**
 * Any schema of a command.
 *
 * @category models
 * @since 0.1.0
 */
export type AnySchema = Schema.Codec<unknown, unknown, unknown, unknown>

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

/** The command of a name, to do something with. */
const withCommand = <R, A>(
  commands: Any<R>,
  name: string,
  use: (command: Untyped<R>) => Effect.Effect<A, CommandError, R>
): Effect.Effect<A, RunError, R> => {
  const { byName, category } = commands[TypeId]
  const command = byName.get(name)
  return command === undefined
    ? Effect.fail(new UnknownCommand({ category, command: name, known: [...byName.keys()] }))
    : use(command)
}

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
): Effect.Effect<Answer, RunError, R> => withCommand(commands, name, (command) => command.run(id, payload, options))

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
): Effect.Effect<CommandRouter.Outcome, RunError, R> =>
  withCommand(commands, sent.command, (command) => command.perform(sent))
