/**
 * The messages of the rows that compare whole clients: the same for every side, a few hundred bytes of JSON.
 */
import * as Schema from "effect/Schema"
import * as Category from "eventfold/Category"
import { createHash, randomUUID } from "node:crypto"

const Payment = {
  accountId: Schema.String,
  amount: Schema.Int,
  currency: Schema.String,
  reference: Schema.String,
  description: Schema.String,
  tags: Schema.Array(Schema.String),
  paidAt: Schema.String
}

const Events = { Opened: Payment, Deposited: Payment, Withdrawn: Payment, Renamed: Payment }

/** The type of the message of that number. */
export const typeOf = (n: number): keyof typeof Events =>
  (["Opened", "Deposited", "Withdrawn", "Renamed"] as const)[n % 4 as 0 | 1 | 2 | 3]

export const dataOf = (n: number) => ({
  accountId: "0196f5d2-5f0c-7a52-9d1e-6ae42d0fd1a5",
  amount: n % 100_000,
  currency: "EUR",
  reference: `invoice 2026-${n} of the third quarter`,
  description: `An amount that was paid at the counter of branch ${n % 97}`,
  tags: ["counter", `branch-${n % 97}`, "cash"],
  paidAt: "2026-01-01T00:00:00Z"
})

export const metadataOf = (n: number) => ({
  correlationStreamName: `process-${n % 1_000}`,
  causationMessageStreamName: `command-${n % 1_000}`,
  causationMessagePosition: n % 1_000
})

/** A category and the messages that it starts with: its streams take turns, a message each. */
export const of = (name: string, streams: number, messagesPerStream: number) => ({
  category: Category.make<string, typeof Events>(name, Events),
  streams,
  messagesPerStream,
  messages: streams * messagesPerStream
})

export type Dataset = ReturnType<typeof of>

/** For appends: 100,000 messages. */
export const account: Dataset = of("account", 10_000, 10)
/** For messages of streams with attributes. */
export const sensor: Dataset = of("sensor", 10_000, 10)
/** For category reads. The streams are long for emmett, which reads stream by stream. */
export const ledger: Dataset = of("ledger", 30, 1_000)
/** For consumers. */
export const consumed: Dataset = of("consumed", 500, 100)
export const consumedByEmmett: Dataset = of("consumed", 50, 20)
/** For transactions, which add to it: so many streams that each stays short. */
export const wallet: Dataset = of("wallet", 2_000, 20)
/** The same for a side that reads its streams, beside one that makes them longer faster. */
export const purse: Dataset = of("purse", 2_000, 20)
/** For folds. */
export const savings: Dataset = of("savings", 100, 100)

const ids = Array.from({ length: 10_000 }, (_, n) => {
  const hash = createHash("md5").update(String(n)).digest("hex")
  return [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20)].join("-")
})

/** The id of the stream whose turn it is. */
export const idOf = ({ streams }: Dataset, n: number): string => ids[n % streams] ?? ""

export const streamNameOf = (dataset: Dataset, n: number): string => `${dataset.category.name}-${idOf(dataset, n)}`

/** The event of that number, as a category of eventfold takes it. */
export const eventOf = ({ category: { events } }: Dataset, n: number) =>
  events[typeOf(n)](dataOf(n), { metadata: metadataOf(n) })

/** The columns of a {@link copyLine}. */
export const copyColumns = "id, stream_name, type, position, data, metadata"

/** The message of that number, at a position of its stream, as COPY reads it. This JSON needs no escapes. */
export const copyLine = (dataset: Dataset, n: number, position: number, id: string = randomUUID()): string =>
  `${id}\t${streamNameOf(dataset, n)}\t${typeOf(n)}\t${position}\t${JSON.stringify(dataOf(n))}\t${
    JSON.stringify(metadataOf(n))
  }\n`
