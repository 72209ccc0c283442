/**
 * Gauges of lag and of what is parked, read from the store.
 *
 * A consumer's own metrics are gone with its process. These gauges are there in any program that has the layer, whether the
 * consumers, processes and read models run there, elsewhere, or nowhere. So an alarm can be set on them.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Consumer } from "./Consumer.ts"
import type { Lag } from "./ConsumerStatus.ts"
import { check as checkConsumer } from "./internal/consumer/checkDefinition.ts"
import * as Progress from "./internal/consumer/progress.ts"
import * as Tally from "./internal/parking/tally.ts"
import { ofConsumer, ofReadModel, type Subject } from "./internal/processor/subject.ts"
import { checkDefinition as checkReadModel } from "./internal/readModel/checkDefinition.ts"
import { lagAfter } from "./internal/readModel/lag.ts"
import { logFailure } from "./internal/runtime/log.ts"
import * as Meter from "./internal/runtime/meter.ts"
import type { MessageStore } from "./MessageStore.ts"
import type { Process } from "./Process.ts"
import type { ReadModel } from "./ReadModel.ts"
import { ReadModelStore } from "./ReadModelStore.ts"
import { InvalidArgument, type StoreError } from "./StoreError.ts"
import type { InvalidCategory } from "./StreamName.ts"

/**
 * What the gauges are about, and how often they are read.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<Models extends ReadonlyArray<ReadModel<unknown, unknown>> = []> {
  readonly consumers?: ReadonlyArray<Consumer<unknown, unknown>> | undefined
  readonly processes?: ReadonlyArray<Process<unknown, unknown>> | undefined
  /** With read models the layer also needs a `ReadModelStore`. */
  readonly readModels?: Models | undefined
  /**
   * How often each gauge is read. Defaults to 30 seconds, because most collectors take metrics every 15 to 60 seconds.
   */
  readonly interval?: Duration.Input | undefined
}

type LookError = StoreError | InvalidArgument | InvalidCategory

/** One consumer or read model, and how to read its gauges. */
interface Observed<R> {
  readonly subject: Subject
  readonly look: Effect.Effect<ReadonlyArray<readonly [Meter.Definition, number]>, LookError, R>
}

const lagOf = ({ age, messages }: Lag, prefix: string): ReadonlyArray<readonly [Meter.Definition, number]> => [
  [{ name: `${prefix}.lag.messages`, unit: "{message}", description: "messages that are not handled yet" }, messages],
  [
    { name: `${prefix}.lag.age`, unit: "s", description: "the age of the oldest message that is not handled yet" },
    Duration.toSeconds(age)
  ]
]

const parkedOf = (
  { messages, since, streams }: Tally.Tally,
  prefix: string,
  now: number
): ReadonlyArray<readonly [Meter.Definition, number]> => [
  [{ name: `${prefix}.parked.messages`, unit: "{message}", description: "parked messages that wait" }, messages],
  [{ name: `${prefix}.parked.streams`, unit: "{stream}", description: "streams that are parked" }, streams],
  [
    {
      name: `${prefix}.parked.age`,
      unit: "s",
      description: "for how long the stream has been parked that was parked first; 0 when none is"
    },
    since === undefined ? 0 : Math.max(0, now - since) / 1_000
  ]
]

const ofEachConsumer = Effect.fnUntraced(function*(consumer: Consumer<unknown, unknown>) {
  yield* checkConsumer(consumer)
  const subject = ofConsumer({ ...consumer, options: {} })
  const { prefix } = subject.metrics
  const tally = yield* Tally.make(consumer)
  const observed: Observed<MessageStore> = {
    subject,
    look: Effect.gen(function*() {
      const lag = lagOf(yield* Progress.lag(consumer), prefix)
      return [...lag, ...parkedOf(yield* tally, prefix, yield* Clock.currentTimeMillis)]
    })
  }
  return observed
})

const ofEachReadModel = Effect.fnUntraced(function*(model: ReadModel<unknown, unknown>) {
  yield* checkReadModel(model)
  const subject = ofReadModel(model)
  const observed: Observed<MessageStore | ReadModelStore> = {
    subject,
    look: Effect.gen(function*() {
      const store = yield* ReadModelStore
      const live = (yield* store.builds(model.name)).find(({ state }) => state === "live")
      // A read model that has never run has everything before it.
      return lagOf(yield* lagAfter(model, live?.checkpoint.position ?? 0), subject.metrics.prefix)
    })
  }
  return observed
})

/** Shows the gauges of one subject with the values of the last look. */
const makeShown = (meter: Meter.Meter, { metrics: { attributes } }: Subject) => {
  const values = new Map<string, number>()
  const hidden = new Map<string, () => void>()
  return {
    show: (found: ReadonlyArray<readonly [Meter.Definition, number]>) => {
      for (const [definition, value] of found) {
        const { name } = definition
        values.set(name, value)
        if (!hidden.has(name)) hidden.set(name, meter.gauge(definition, attributes, () => values.get(name) ?? 0))
      }
    },
    hide: () => {
      for (const hide of hidden.values()) hide()
      hidden.clear()
    }
  }
}

/** After a look comes a pause of at least this many times the time that it took: the store spends at most 2% of one session on it. */
const rest = 49

/** Looks at one subject after another, for ever. The looks of a round are spread over the interval. */
const observe = Effect.fnUntraced(function*<R>(all: ReadonlyArray<Observed<R>>, interval: Duration.Duration) {
  if (all.length === 0) return yield* Effect.never
  const meter = yield* Meter.make
  const shown = all.map((one) => ({ ...one, ...makeShown(meter, one.subject) }))
  yield* Effect.addFinalizer(() => Effect.sync(() => shown.forEach(({ hide }) => hide())))
  const eachMillis = Duration.toMillis(interval) / all.length
  let isFirstRound = true
  while (true) {
    for (const [index, { hide, look, show, subject: { kind, logged } }] of shown.entries()) {
      const begun = meter.now()
      yield* Effect.matchCauseEffect(look, {
        onSuccess: (found) => Effect.sync(() => show(found)),
        onFailure: (cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          // No value rather than an old one.
          hide()
          return logFailure(
            "Warn",
            `gauges of a ${kind} could not be read, and are hidden until they can be`,
            logged,
            cause
          )
        }
      })
      // The first round makes haste, so that no gauge is missing for long.
      const makesHaste = isFirstRound && index < shown.length - 1
      yield* Effect.sleep(Duration.millis(Math.max(makesHaste ? 0 : eachMillis, rest * 1_000 * meter.since(begun))))
    }
    isFirstRound = false
  }
}, Effect.scoped)

/**
 * Reads lag and what is parked from the store, again and again, and shows them as gauges.
 *
 * **When to use**
 *
 * In a program that is there when others are not: a server, or one that does nothing else. With it in several programs each of
 * them asks the store, and shows the same values.
 *
 * **Details**
 *
 * The gauges are `eventfold.consumer.lag.messages`, `eventfold.consumer.lag.age`, `eventfold.consumer.parked.messages`,
 * `eventfold.consumer.parked.streams`, `eventfold.consumer.parked.age`, `eventfold.read_model.lag.messages` and
 * `eventfold.read_model.lag.age`. Those of a process are those of its consumers. While the store can't be read, the log has a
 * warning and the gauges are not there: an alarm on missing values hears of that.
 *
 * It asks one question at a time. In an interval that is three statements for a consumer, one more if it is behind, and two for a
 * read model. After each look it rests for 49 times as long as the look took, so a count of a long lag makes the interval longer and
 * not the load higher. The first look at a consumer reads all that was ever parked for it.
 *
 * Building the layer fails with `InvalidArgument` when a definition is not valid, or the interval is not above zero.
 *
 * @example
 * ```ts
 * import { Category, Consumer, MessageStore, ProgressGauges } from "eventfold"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Account = Category.make("account", { Opened: { owner: Schema.String } })
 * const greeter = Consumer.make("greeter", { onFailure: "park" }).on(Account, {
 *   Opened: ({ data }) => Effect.log(`welcome ${data.owner}`)
 * })
 *
 * const Gauges = ProgressGauges.layer({ consumers: [greeter] }).pipe(Layer.provide(MessageStore.layerMemory))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const Models extends ReadonlyArray<ReadModel<unknown, unknown>> = []>(
  { consumers = [], interval = "30 seconds", processes = [], readModels }: Options<Models>
): Layer.Layer<
  never,
  InvalidArgument | InvalidCategory,
  MessageStore | (Models extends readonly [] ? never : ReadModelStore)
> => {
  const start = Effect.gen(function*() {
    const duration = Duration.fromInputUnsafe(interval)
    if (!Duration.isFinite(duration) || Duration.toMillis(duration) <= 0) {
      const expected = "a finite duration above zero"
      return yield* new InvalidArgument({ argument: "interval", value: Duration.format(duration), expected })
    }
    const all = [
      ...yield* Effect.forEach([...consumers, ...processes.flatMap(({ consumers }) => consumers)], ofEachConsumer),
      ...yield* Effect.forEach(readModels ?? [], ofEachReadModel)
    ]
    yield* Effect.forkScoped(observe<MessageStore | ReadModelStore>(all, duration))
  })
  // Without read models nothing asks for their store.
  return Layer.effectDiscard(start) as Layer.Layer<
    never,
    InvalidArgument | InvalidCategory,
    MessageStore | (Models extends readonly [] ? never : ReadModelStore)
  >
}
