/**
 * Writers of every kind in several sessions, stepped through their transactions in generated orders, with polling readers
 * of everything as the oracle.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { RecordedMessage } from "eventfold/Message"
import type { AllOptions } from "eventfold/MessageStore"
import * as StreamName from "eventfold/StreamName"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Player from "../support/Player.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"
import { withoutPauses } from "../support/WithoutPauses.ts"

const below = (end: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: end - 1 }))

/**
 * `write`: Message DB's function. `insert`: a row by hand. `take`: a number from the sequence, of which a row is made last.
 * `undo`: a row that is rolled back to a savepoint. `append`: eventfold's, a transaction of its own in between. `lock` and
 * `read` take no position.
 */
const Operation = Schema.Struct({
  does: Schema.Literals(["write", "insert", "take", "undo", "append", "lock", "read"]),
  category: below(2),
  type: Schema.Literals(["A", "B"])
})

const Transaction = Schema.Struct({
  /** Of what it does by Message DB's function: two of them could wait for one another. */
  category: below(2),
  operations: Schema.Array(Operation).check(Schema.isMinLength(1), Schema.isMaxLength(5)),
  /** Who prepares it goes on without it, and somebody else ends it later. */
  isPrepared: Schema.Boolean,
  end: Schema.Literals(["COMMIT", "COMMIT", "ROLLBACK"])
})

const Case = Schema.Struct({
  sessions: Schema.Array(Schema.Array(Transaction).check(Schema.isMinLength(2), Schema.isMaxLength(4))).check(
    Schema.isMinLength(3),
    Schema.isMaxLength(4)
  ),
  /** Whose turn it is; `undefined` is that of the readers, who otherwise read as they come to it. */
  turns: Schema.Array(Schema.Union([below(5), Schema.Undefined])).check(Schema.isMinLength(30), Schema.isMaxLength(60))
})

type Step = Effect.Effect<unknown, unknown>

const messages = "message_store.messages (global_position, stream_name, position, type, data)"
const nextval = "nextval('message_store.messages_global_position_seq')"

/** What a case plays on. */
interface Stage {
  readonly store: Store.Store
  readonly name: (category: number) => string
  /** The name of a stream that has no message. */
  readonly newStream: (category: number) => string
  /** The name of a transaction to be prepared; none when the server can't. */
  readonly newPrepared: () => string | undefined
  /** Has a statement run by somebody else, some time. */
  readonly leave: (statement: string) => void
}

const stepsOf = (
  sql: SqlClient,
  { leave, name, newPrepared, newStream, store }: Stage,
  { category: written, end, isPrepared, operations }: typeof Transaction.Type
): ReadonlyArray<Step> => {
  const taken: Array<{ readonly position: bigint; readonly category: number; readonly type: string }> = []
  const insert = (globalPosition: string, category: number, type: string) =>
    sql.unsafe(`INSERT INTO ${messages} VALUES (${globalPosition}, '${newStream(category)}', 0, '${type}', '0')`)
  const steps = operations.map(({ category, does, type }): Step => {
    switch (does) {
      case "write":
        return sql`SELECT message_store.write_message(gen_random_uuid()::text, ${`${name(written)}-1`}, ${type}, '0')`
      case "insert":
        return insert(nextval, category, type)
      case "take":
        return Effect.map(
          sql.unsafe<{ readonly position: bigint }>(`SELECT ${nextval} AS position`),
          (rows) => rows.forEach(({ position }) => taken.push({ position, category, type }))
        )
      case "undo":
        return Effect.all([
          sql.unsafe("SAVEPOINT before"),
          insert(nextval, category, type),
          sql.unsafe("ROLLBACK TO before")
        ])
      case "append":
        return store.append(newStream(2 + category), { type, data: 0 })
      case "lock":
        return sql.unsafe("LOCK message_store.messages IN ROW EXCLUSIVE MODE")
      case "read":
        return sql.unsafe("SELECT count(*) FROM message_store.messages")
    }
  })
  const prepared = isPrepared ? newPrepared() : undefined
  const ending = prepared === undefined
    ? sql.unsafe(end)
    : Effect.map(
      sql.unsafe(`PREPARE TRANSACTION '${prepared}'`),
      () => leave(`${end} PREPARED '${prepared}'`)
    )
  const use = Effect.suspend(() =>
    Effect.forEach(taken, ({ category, position, type }) => insert(String(position), category, type))
  )
  return [sql`BEGIN`, ...steps, use, ending]
}

/** Polls for ever, as who keeps a position does. */
const makeReader = Effect.fnUntraced(function*(store: Store.Store, start: number, filter: AllOptions) {
  const seen: Array<RecordedMessage> = []
  let polls = 0
  let from = start
  const poll = Effect.gen(function*() {
    const page = yield* withoutPauses(store.readAllPage({ ...filter, from, limit: 2 }))
    for (const { globalPosition } of page.messages) assert.isAtMost(globalPosition, page.through)
    if (Option.isSome(page.heldBack)) assert.isAbove(page.heldBack.value.position, page.through)
    seen.push(...page.messages)
    from = page.through + 1
    polls++
  })
  yield* Effect.forkScoped(Effect.repeat(poll, Schedule.spaced("2 millis")))
  return { filter, seen, polls: () => polls, through: () => from - 1 }
})

let cases = 0

const play = Effect.fnUntraced(function*(
  { canPrepare, sessions, turns, url }: typeof Case.Type & { readonly canPrepare: boolean; readonly url: string }
) {
  const admin = yield* Database.session(url)
  const [store, other] = [yield* Store.open(url), yield* Store.open(url, { announce: false })]
  const number = ++cases
  const name = (category: number) => `case${number}x${category}`
  const { globalPosition } = yield* store.append(`${name(9)}-1`, Store.numbered(1))
  const start = globalPosition + 1

  const filters = [
    { categories: [name(0), name(2)] },
    { types: ["A"] },
    { categories: [name(1), name(3)], types: ["B"] }
  ]
  const readers = yield* Effect.forEach(
    [{}, filters[number % filters.length] ?? {}],
    (filter) => makeReader(store, start, filter)
  )
  /** Every reader has begun a poll after this, and ended it. */
  const polled = Effect.suspend(() => {
    const before = readers.map(({ polls }) => polls())
    return until("they have polled", Effect.sync(() => readers.every(({ polls }, i) => polls() > (before[i] ?? 0) + 1)))
  })

  const leftOver: Array<Step> = []
  let streams = 0
  const prepared: Array<string> = []
  const stage: Stage = {
    store: other,
    name,
    newStream: (category) => `${name(category)}-new${++streams}`,
    newPrepared: () => {
      if (!canPrepare) return undefined
      prepared.push(`${name(0)} ${prepared.length}`)
      return prepared.at(-1)
    },
    leave: (statement) => leftOver.push(admin.unsafe(statement))
  }
  // Or the next case would wait for what this one has left when it fails.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(prepared, (one) => Effect.ignore(admin.unsafe(`ROLLBACK PREPARED '${one}'`)))
  )

  const players = yield* Effect.forEach(sessions, (transactions) =>
    Effect.gen(function*() {
      const sql = yield* Database.session(url)
      yield* sql`SET search_path = message_store, public`
      const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
      const steps = transactions.flatMap((transaction) => stepsOf(sql, stage, transaction))
      return Player.make(admin, row?.pid ?? 0, steps)
    }))
  players.push(Player.make(admin, 0, leftOver))

  for (const turn of turns) {
    const player = turn === undefined ? undefined : players[turn % players.length]
    yield* player === undefined ? polled : player.step
  }
  while (!players.every(({ isDone }) => isDone())) {
    yield* Effect.forEach(players, ({ step }) => step)
  }

  const committed = yield* admin<{ readonly position: bigint; readonly stream: string; readonly type: string }>`
    SELECT global_position AS position, stream_name AS stream, type FROM message_store.messages
    WHERE global_position >= ${BigInt(start)} ORDER BY global_position`
  const last = Number(committed.at(-1)?.position ?? 0n)
  for (const { filter, seen, through } of readers) {
    yield* until("the reader has reached the end", Effect.sync(() => through() >= last))
    const wanted = committed.filter(({ stream, type }) =>
      filter.categories?.includes(StreamName.category(stream)) !== false && filter.types?.includes(type) !== false
    )
    assert.deepStrictEqual(
      seen.map(({ globalPosition, streamName, type }) => [globalPosition, streamName as string, type]),
      wanted.map(({ position, stream, type }) => [Number(position), stream, type])
    )
  }
})

const canPrepare = Effect.map(
  Effect.flatMap(
    SqlClient,
    (sql) => sql<{ readonly max: number }>`SELECT current_setting('max_prepared_transactions')::int AS max`
  ),
  ([row]) => (row?.max ?? 0) > 0
)

const servers = inject("postgres")
const stages = [
  ...servers.map((server) => ({ name: `our schema of ${server.name}`, database: Database.make({ server }) })),
  ...servers.slice(-1).map((server) => ({
    name: `a stock schema of ${server.name}`,
    database: MessageDb.makeDatabase({ server })
  }))
]

for (const { database, name } of stages) {
  layer(Layer.effect(Database.Database, database), { excludeTestServices: true })(`interleavings on ${name}`, (it) => {
    it.effect.prop(
      "readers of everything get each message once, in order, miss none, and reach the end",
      [Case],
      ([example]) =>
        Effect.gen(function*() {
          const { url } = yield* Database.Database
          const prepares = yield* Effect.provide(canPrepare, Database.client(url))
          yield* play({ ...example, canPrepare: prepares, url })
        }).pipe(Effect.scoped),
      { arbitrary: { runs: 6 } }
    )
  })
}
