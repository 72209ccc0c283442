/**
 * What the workers run, and the harness looks at: categories, consumers, a process and read models, all at once.
 */
import { SqlReadModel } from "@eventfold/postgres"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Category from "eventfold/Category"
import * as Consumer from "eventfold/Consumer"
import * as Entity from "eventfold/Entity"
import type { RecordedMessage } from "eventfold/Message"
import * as Process from "eventfold/Process"

/** The operation that a message belongs to, and which of its messages it is. */
const operation = { op: Schema.String, n: Schema.Int }

const Operation = Schema.Struct(operation)

export const isOperation = Schema.is(Operation)

/** Appended as they are. A consumer that parks streams fails on those that are poison until that is mended. */
export const Note = Category.make("note", {
  Noted: { ...operation, text: Schema.String, poison: Schema.Boolean }
})

/** Decided on. */
export const Account = Category.make("account", {
  Deposited: { ...operation, amount: Schema.Int, due: Schema.Boolean }
})

/** The process's own. */
export const Billing = Category.make("billing", { Billed: { of: Schema.String }, Reminded: {} })

/** What the process sends. */
export const Payment = Category.make("payment", { Charged: { of: Schema.String } })

/** The categories that only the writers write. */
export const written = ["note", "account"]

export const categories = [...written, "billing", "payment"]

export const nameOf = ({ n, op }: typeof Operation.Type): string => `${op}/${n}`

export const Balance = Entity.make(Account, {
  state: Schema.Int,
  initial: 0,
  evolve: { Deposited: (balance, { amount }) => balance + amount }
})

const Bills = Entity.make(Billing, {
  state: Schema.Int,
  initial: 0,
  evolve: { Billed: (bills) => bills + 1, Reminded: (bills) => bills }
})

/** They look often, so that a round ends soon after its last fault. */
const poll = { min: "50 millis", max: "500 millis" } as const

const often = { checkpoint: { every: 20, interval: "200 millis" }, poll } as const

export const biller = Process.make("biller", { entity: Bills, concurrency: 4, ...often })
  .deadline("reminder", () => ({ events: Billing.events.Reminded({}) }))
  .on(Account, {
    Deposited: (_state, { data }, id) => ({
      events: Billing.events.Billed({ of: nameOf(data) }),
      send: Process.send(Payment, id, Payment.events.Charged({ of: nameOf(data) })),
      deadlines: { reminder: data.due ? "300 millis" : undefined }
    })
  })

class Poisoned extends Schema.TaggedError<Poisoned>()("Poisoned", {}) {}

/** What handlers do outside of the database. */
export interface Outside {
  readonly handled: (consumer: string, message: RecordedMessage) => void
  readonly isMended: () => boolean
}

/** The consumers, which tell what they have handled. */
export const consumers = ({ handled, isMended }: Outside) => {
  const tell = (consumer: string, message: RecordedMessage) => Effect.sync(() => handled(consumer, message))
  return {
    reader: Consumer.make("reader", { concurrency: 4, ...often }).on(Note, {
      // Long enough to be interrupted.
      Noted: ({ recorded }) => Effect.andThen(Effect.sleep("1 millis"), tell("reader", recorded))
    }),
    pair: Consumer.make("pair", { concurrency: 2, group: { size: 2, members: [0, 1] }, ...often }).on(Account, {
      Deposited: ({ recorded }) => tell("pair", recorded)
    }),
    everything: Consumer.make("everything", often).on(
      Consumer.all,
      (message: RecordedMessage) => tell("everything", message)
    ),
    parker: Consumer.make("parker", { concurrency: 4, onFailure: "park", retry: Schedule.recurs(1), ...often }).on(
      Note,
      {
        Noted: ({ data, recorded }) =>
          Effect.suspend(() => data.poison && !isMended() ? Effect.fail(new Poisoned()) : tell("parker", recorded))
      }
    )
  }
}

export type Consumers = ReturnType<typeof consumers>

/** What the consumers are to handle. */
export const handling = [
  { name: "reader", categories: ["note"] },
  { name: "pair", categories: ["account"] },
  { name: "everything", categories },
  { name: "parker", categories: ["note"] }
]

const textOf = (position: number, data: typeof Operation.Type) => `${position}:${nameOf(data)}`

/** A text for each stream to which each message adds itself: it shows what was skipped, handled twice or too early. */
const chain = Effect.fnUntraced(function*(recorded: RecordedMessage, data: typeof Operation.Type) {
  const sql = yield* SqlClient
  const text = textOf(recorded.position, data)
  yield* sql`INSERT INTO chains (stream, digest) VALUES (${recorded.streamName}, md5(${text}))
    ON CONFLICT (stream) DO UPDATE SET digest = md5(chains.digest || ${text})`
})

/** Not by the source of the handlers, which differs between the harness and the bundled workers. */
const fingerprint = "1"

const tables = ["CREATE TABLE chains (stream text PRIMARY KEY, digest text NOT NULL)"]

/** In the transaction of each append. */
export const Inline = SqlReadModel.make("inline", { version: 1, fingerprint, tables, poll }).on(Account, {
  Deposited: ({ data, recorded }) => chain(recorded, data)
})

/** By workers, one message after the other. */
export const Notes = SqlReadModel.make("notes", { version: 1, fingerprint, tables, atOnce: 20, poll }).on(Note, {
  Noted: ({ data, recorded }) => chain(recorded, data)
})

/** By workers, many messages at once, of two categories. */
export const Lines = SqlReadModel.batch("lines", {
  version: 1,
  fingerprint,
  atOnce: 50,
  poll,
  tables: [
    "CREATE TABLE lines (ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, position int NOT NULL)"
  ],
  from: ["account", "note"],
  handle: Effect.fnUntraced(function*(messages: ReadonlyArray<RecordedMessage>) {
    const sql = yield* SqlClient
    yield* sql`INSERT INTO lines (stream, position) SELECT * FROM unnest(
      ${messages.map(({ streamName }) => streamName)}::text[],
      ${messages.map(({ position }) => position)}::int[]
    )`
  })
})

/** The read models that keep a chain for each stream of a category. */
export const chained = [
  { model: "inline", category: "account" },
  { model: "notes", category: "note" }
] as const

/** What a message adds to its chain. */
export const link = (position: number, data: unknown): string => isOperation(data) ? textOf(position, data) : "none"
