/**
 * A worker: a process of its own with writers, consumers, a process and read models, which the harness kills.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Postgres, SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import * as EntityCache from "eventfold/EntityCache"
import { nextId } from "eventfold/Message"
import { type AppendError, MessageStore } from "eventfold/MessageStore"
import * as Parking from "eventfold/Parking"
import * as Process from "eventfold/Process"
import * as ReadModel from "eventfold/ReadModel"
import * as Control from "./Control.ts"
import * as Journal from "./Journal.ts"
import * as Workload from "./Workload.ts"

export const Settings = Schema.fromJsonString(Schema.Struct({
  url: Schema.String,
  /** What its sessions are called. */
  name: Schema.String,
  journal: Schema.String,
  control: Schema.String,
  writers: Schema.Int
}))

/** How many streams of each category a round has. */
const streams = 6

type Line<What> = Extract<Journal.Line, { readonly what: What }>

interface Operation {
  readonly plan: Omit<Line<"planned">, "what">
  /** Gives its last positions. */
  readonly run: Effect.Effect<Line<"acknowledged">["ends"], AppendError | Entity.TransactError, MessageStore>
}

/** What passes by itself: the writer tries again, as a program that must not lose a command does. */
const passes = (error: AppendError | Entity.TransactError) =>
  error._tag === "StoreError" ? error.isRetryable : error._tag === "WrongExpectedVersion"

const endsOf = (stream: string, version: Option.Option<number>) => ({
  stream,
  position: Option.getOrElse(version, () => -1)
})

/** One operation in streams of the round. */
const operation = Effect.fnUntraced(function*(round: number): Effect.fn.Return<Operation, never, MessageStore> {
  const { append } = yield* MessageStore
  const op: string = yield* nextId
  const choice = yield* Random.next
  const count = yield* Random.nextIntBetween(1, 4)
  const [one, other] = yield* Effect.map(Random.shuffle(Array.from({ length: streams }, (_, i) => `r${round}x${i}`)), (
    [one = "", other = ""]
  ) => [one, other] as const)
  const deposit = (n: number, amount: number, due = false) => Workload.Account.events.Deposited({ op, n, amount, due })
  if (choice < 0.5) {
    const stream = `note-${one}`
    const messages = yield* Effect.forEach(Array.from({ length: count }, (_, n) => n), (n) =>
      Effect.gen(function*() {
        const poison = (yield* Random.next) < 0.03
        const length = yield* Random.nextIntBetween(0, 200)
        return { id: yield* nextId, type: "Noted", data: { op, n, text: "ä\"\\".repeat(length), poison } }
      }))
    return {
      plan: { op, messages: messages.map(({ data, type }) => ({ stream, type, data })) },
      run: Effect.map(append(stream, messages), ({ version }) => [{ stream, position: version }])
    }
  }
  const freshness = (yield* Random.nextBoolean) ? "cached" : "latest"
  if (choice < 0.85) {
    const stream = `account-${one}`
    const due = (yield* Random.next) < 0.2
    const events = Array.from({ length: count }, (_, n) => deposit(n, n + 1, due && n === 0))
    return {
      plan: { op, messages: events.map(({ data, type }) => ({ stream, type, data })) },
      run: Workload.Balance.transact(one, () => events, { commandId: op, freshness }).pipe(
        Effect.map(({ version }) => [endsOf(stream, version)])
      )
    }
  }
  const [paid, got] = [deposit(0, -5), deposit(1, 5)]
  return {
    plan: {
      op,
      messages: [{ stream: `account-${one}`, ...paid }, { stream: `account-${other}`, ...got }]
    },
    run: Entity.transactAll(
      { payer: Workload.Balance.at(one), payee: Workload.Balance.at(other) },
      () => ({ payer: paid, payee: got }),
      { commandId: op, freshness }
    ).pipe(
      Effect.map(({ entities: { payee, payer } }) => [
        endsOf(`account-${one}`, payer.version),
        endsOf(`account-${other}`, payee.version)
      ])
    )
  }
})

const program = Effect.gen(function*() {
  const { control, journal, name, url, writers } = yield* Schema.decodeUnknownEffect(Settings)(process.argv[2])
  const write = yield* Journal.writer(journal)

  const writer = Effect.fnUntraced(function*(writer: number) {
    let pauses = -1
    while (true) {
      const { pause, round } = Control.read(control)
      if (round === undefined) {
        if (pause !== pauses) write({ what: "paused", writer, pause })
        pauses = pause
        yield* Effect.sleep("50 millis")
        continue
      }
      const { plan, run } = yield* operation(round)
      write({ what: "planned", ...plan })
      yield* run.pipe(
        Effect.retry({ while: passes, schedule: Schedule.spaced("100 millis") }),
        Effect.matchCause({
          onSuccess: (ends) => write({ what: "acknowledged", op: plan.op, ends }),
          onFailure: (cause) => write({ what: "refused", op: plan.op, why: String(cause) })
        })
      )
      yield* Effect.sleep(yield* Random.nextIntBetween(50, 250))
    }
  })

  const { everything, pair, parker, reader } = Workload.consumers({
    handled: (consumer, { id, position, streamName: stream }) =>
      write({ what: "handled", consumer, stream, position, id, at: String(process.hrtime.bigint()) }),
    isMended: () => Control.read(control).mended
  })

  /** Replays what is parked, also what fails again. */
  const replays = Effect.ignore(Parking.replay(parker)).pipe(Effect.andThen(Effect.sleep("3 seconds")), Effect.forever)

  const work = Layer.effectDiscard(Effect.gen(function*() {
    yield* Effect.forEach(Array.from({ length: writers }, (_, i) => i), (i) => Effect.forkScoped(writer(i)))
    yield* Effect.forkScoped(replays)
    write({ what: "ready" })
  }))

  const pool = Postgres.layerPool({ url: Redacted.make(url), applicationName: name, maxConnections: 6 })
  // Short, so that a silent connection does not take all of a round.
  const statementTimeout = "5 seconds"
  const stores = Layer.mergeAll(
    SqlReadModel.layer({ statementTimeout }),
    Postgres.layerClient({ inline: [Workload.Inline], statementTimeout }),
    EntityCache.layer({ capacity: 100 })
  ).pipe(Layer.provideMerge(pool))

  const App = Layer.mergeAll(
    Consumer.layer(reader),
    Consumer.layer(pair),
    Consumer.layer(everything),
    Consumer.layer(parker),
    Process.layer(Workload.biller),
    ReadModel.layer(Workload.Notes),
    ReadModel.layer(Workload.Lines),
    work
  ).pipe(Layer.provide(stores))

  return yield* Consumer.launch(App).pipe(
    // While the server is away, a worker that starts waits for it.
    Effect.retry({ while: (error) => error._tag === "OpenError", schedule: Schedule.spaced("300 millis") })
  )
}).pipe(Effect.scoped)

if (import.meta.main) {
  // However the harness ends, its workers end with it.
  process.stdin.on("end", () => process.exit(0)).resume()
  NodeRuntime.runMain(program, { teardown: Consumer.teardown })
}
