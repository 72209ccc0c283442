import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import { refusal } from "../support/PostgresError.ts"
import * as Role from "../support/Role.ts"

interface Arguments {
  readonly [name: string]: string | number | null
}

const read = Effect.fnUntraced(function*(name: string, args: Arguments) {
  const sql = yield* SqlClient
  const list = Object.entries(args).map(([key, value]) =>
    // NULL without a type is unknown, as a client's NULL is.
    sql`${sql(key)} => ${typeof value === "number" ? sql`${value}::bigint` : sql`${value}`}`
  )
  return yield* sql<{ readonly stream_name: string; readonly position: bigint; readonly global_position: bigint }>`
    SELECT * FROM ${sql(`message_store.${name}`)}(${sql.csv(list)})`
})

const streamPositions = (args: Arguments) =>
  Effect.map(read("get_stream_messages", args), (rows) => rows.map((row) => Number(row.position)))

const globalPositions = (args: Arguments) =>
  Effect.map(read("get_category_messages", args), (rows) => rows.map((row) => Number(row.global_position)))

/** The log that the tests read: a global position is an index in this list, from 1. */
const log: ReadonlyArray<readonly [streamName: string, type: string, metadata?: string]> = [
  ["account-1", "Opened"],
  ["account-1", "Deposited"],
  ["account-2", "Opened"],
  ["account", "Noted"],
  ["account:command-1", "Deposit"],
  ["account-", "Odd"],
  ["-3", "Odd"],
  ["", "Odd"],
  ["payment-1", "Paid", "{\"correlationStreamName\": \"order-9\"}"],
  ["payment-2", "Paid", "{\"correlationStreamName\": \"order-8+7\"}"],
  ["payment-3", "Paid", "{\"correlationStreamName\": \"order\"}"],
  ["payment-4", "Paid", "{\"correlationStreamName\": \"orders-9\"}"],
  ["payment-5", "Paid", "{\"other\": \"order-9\"}"],
  ["payment-6", "Paid", "[\"correlationStreamName\"]"],
  ["payment-7", "Paid", "{\"correlationStreamName\": 5}"],
  ["account-1", "Deposited"],
  ["account-1", ""],
  ...Array.from({ length: 8 }, (_, index) => [`group-${index + 1}`, "Grouped"] as const),
  ["compound-1+a", "Grouped"],
  ["compound-1+b", "Grouped"],
  ["compound-", "Grouped"],
  ["compound", "Grouped"]
]

const writeLog = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* Effect.forEach(log, ([streamName, type, metadata]) =>
    sql`SELECT message_store.write_message(
      gen_random_uuid()::varchar, ${streamName}, ${type}, '{"b": 1, "a": [true, null]}', ${metadata ?? null}::jsonb
    )`)
})

const ofStream: ReadonlyArray<readonly [Arguments, ReadonlyArray<number>]> = [
  [{ stream_name: "account-1" }, [0, 1, 2, 3]],
  [{ stream_name: "account-1", position: 1 }, [1, 2, 3]],
  [{ stream_name: "account-1", position: -5 }, [0, 1, 2, 3]],
  [{ stream_name: "account-1", position: 4 }, []],
  [{ stream_name: "account-1", position: null, batch_size: null, condition: null }, [0, 1, 2, 3]],
  [{ stream_name: "account-1", batch_size: 2 }, [0, 1]],
  [{ stream_name: "account-1", batch_size: -1 }, [0, 1, 2, 3]],
  [{ stream_name: "account-1", batch_size: 0 }, []],
  [{ stream_name: "account-1", position: 1, batch_size: 2 }, [1, 2]],
  [{ stream_name: "account-none" }, []],
  [{ stream_name: "Account-1" }, []],
  [{ stream_name: "-3" }, [0]],
  [{ stream_name: "account-" }, [0]]
]

const ofCategory: ReadonlyArray<readonly [Arguments, ReadonlyArray<number>]> = [
  [{ category: "account" }, [1, 2, 3, 4, 6, 16, 17]],
  [{ category: "account", position: 3 }, [3, 4, 6, 16, 17]],
  [{ category: "account", position: 0 }, [1, 2, 3, 4, 6, 16, 17]],
  [{ category: "account", position: -1, batch_size: 2 }, [1, 2]],
  [{ category: "account", position: 100 }, []],
  [{ category: "account", position: null, batch_size: null }, [1, 2, 3, 4, 6, 16, 17]],
  [{ category: "account", batch_size: -1 }, [1, 2, 3, 4, 6, 16, 17]],
  [{ category: "account", batch_size: 0 }, []],
  [{ category: "account:command" }, [5]],
  [{ category: "Account" }, []],
  [{ category: "acc" }, []],
  [{ category: "accounts" }, []],
  [{ category: "" }, [7, 8]],
  [{ category: null }, []],
  [{ category: "payment", correlation: "order" }, [9, 10, 11]],
  [{ category: "payment", correlation: "order", position: 10 }, [10, 11]],
  [{ category: "payment", correlation: "order", batch_size: 1, position: 10 }, [10]],
  [{ category: "payment", correlation: "orders" }, [12]],
  [{ category: "payment", correlation: "5" }, [15]],
  [{ category: "payment", correlation: "" }, []],
  [{ category: "payment", correlation: null }, [9, 10, 11, 12, 13, 14, 15]],
  ...([[1, [[1, 2, 3, 4, 5, 6, 7, 8]]], [2, [[1, 3, 7], [2, 4, 5, 6, 8]]], [3, [[1, 4, 5], [2, 8], [
    3,
    6,
    7
  ]]]] as const)
    .flatMap(([size, members]) =>
      members.map((ids, member) =>
        [
          { category: "group", consumer_group_member: member, consumer_group_size: size },
          ids.map((id) => id + 17)
        ] as const
      )
    ),
  [{ category: "group", consumer_group_member: 1, consumer_group_size: 2, batch_size: 2 }, [19, 21]],
  [{ category: "group", consumer_group_member: 1, consumer_group_size: 2, batch_size: 2, position: 20 }, [21, 22]],
  // The stream of a bare category has no cardinal id and reaches no member; an empty cardinal id reaches one.
  [{ category: "compound", consumer_group_member: 0, consumer_group_size: 1 }, [26, 27, 28]],
  [{ category: "payment", correlation: "order", consumer_group_member: 0, consumer_group_size: 2 }, [9, 11]],
  [{ category: "payment", correlation: "order", consumer_group_member: 1, consumer_group_size: 2 }, [10]]
]

const ofLast: ReadonlyArray<readonly [Arguments, ReadonlyArray<number>]> = [
  [{ stream_name: "account-1" }, [17]],
  [{ stream_name: "account-1", type: null }, [17]],
  [{ stream_name: "account-1", type: "Deposited" }, [16]],
  [{ stream_name: "account-1", type: "Opened" }, [1]],
  [{ stream_name: "account-1", type: "" }, [17]],
  [{ stream_name: "account-1", type: "opened" }, []],
  [{ stream_name: "account" }, [4]],
  [{ stream_name: "account-none" }, []],
  [{ stream_name: null }, []]
]

const group = (member: number | null, size: number | null) =>
  `(Consumer Group Member: ${member ?? "<NULL>"}, Consumer Group Size: ${size ?? "<NULL>"})`

const grouped = (member: number | null, size: number | null) => ({
  category: "account",
  consumer_group_member: member,
  consumer_group_size: size
})

/** In the order of the checks: each call also fails every later check that it can fail. */
const refusals: ReadonlyArray<readonly [string, Arguments, code: string, message: string]> = [
  ["get_stream_messages", { stream_name: "account", condition: "true" }, "P0001", "Must be a stream name: account"],
  ["get_stream_messages", { stream_name: "" }, "P0001", "Must be a stream name: "],
  ["get_stream_messages", { stream_name: null }, "P0001", "Must be a stream name: <NULL>"],
  [
    "get_stream_messages",
    { stream_name: "account-1", condition: "true", batch_size: -2 },
    "P0001",
    "Retrieval with SQL condition is not activated"
  ],
  ["get_stream_messages", { stream_name: "account-1", batch_size: -2 }, "2201W", "LIMIT must not be negative"],
  [
    "get_category_messages",
    { ...grouped(-1, null), category: "account-1", correlation: "order-1" },
    "P0001",
    "Must be a category: account-1"
  ],
  [
    "get_category_messages",
    { ...grouped(-1, null), correlation: "order-1" },
    "P0001",
    "Correlation must be a category (Correlation: order-1)"
  ],
  [
    "get_category_messages",
    { ...grouped(-1, null), condition: "true" },
    "P0001",
    `Consumer group member and size must be specified ${group(-1, null)}`
  ],
  [
    "get_category_messages",
    grouped(null, 0),
    "P0001",
    `Consumer group member and size must be specified ${group(null, 0)}`
  ],
  [
    "get_category_messages",
    { ...grouped(-1, 0), condition: "true" },
    "P0001",
    `Consumer group size must not be less than 1 ${group(-1, 0)}`
  ],
  [
    "get_category_messages",
    { ...grouped(-1, 2), condition: "true" },
    "P0001",
    `Consumer group member must not be less than 0 ${group(-1, 2)}`
  ],
  [
    "get_category_messages",
    { ...grouped(2, 2), condition: "true" },
    "P0001",
    `Consumer group member must be less than the group size ${group(2, 2)}`
  ],
  [
    "get_category_messages",
    { category: "account", condition: "true", batch_size: -2 },
    "P0001",
    "Retrieval with SQL condition is not activated"
  ],
  ["get_category_messages", { category: "account", batch_size: -2 }, "2201W", "LIMIT must not be negative"]
]

const conditions: ReadonlyArray<readonly [string, Arguments, ReadonlyArray<number>]> = [
  ["get_stream_messages", { stream_name: "account-1", condition: "messages.type = 'Deposited'" }, [2, 16]],
  ["get_stream_messages", { stream_name: "account-1", condition: "type like 'Dep%' and position > 1" }, [16]],
  ["get_stream_messages", { stream_name: "account-1", condition: "data @> '{\"b\": 1}'", batch_size: 1 }, [1]],
  ["get_stream_messages", { stream_name: "account-1", condition: "type = 'Deposited'", batch_size: 1 }, [2]],
  [
    "get_stream_messages",
    { stream_name: "account-1", condition: "messages.time::time >= current_time", position: 9 },
    []
  ],
  ["get_category_messages", { category: "account", condition: "messages.type = 'Deposited'" }, [2, 16]],
  ["get_category_messages", { category: "account", condition: "type = 'Opened'", position: 2 }, [3]],
  ["get_category_messages", { category: "account", condition: "type = 'Deposited'", batch_size: 1 }, [2]],
  ["get_category_messages", { category: "account", condition: "false) OR (global_position = 5" }, [5]],
  ["get_category_messages", { category: "payment", condition: "global_position > 9", correlation: "order" }, [10, 11]],
  [
    "get_category_messages",
    { category: "group", condition: "global_position > 18", consumer_group_member: 0, consumer_group_size: 2 },
    [20, 24]
  ],
  [
    "get_category_messages",
    {
      category: "payment",
      condition: "type = 'Paid'",
      correlation: "order",
      consumer_group_member: 1,
      consumer_group_size: 2
    },
    [10]
  ]
]

const faultyConditions = [
  ["", "42601", "syntax error at or near \")\""],
  ["nothing = 1", "42703", "column \"nothing\" does not exist"],
  [
    "messages.time >= current_time",
    "42883",
    "operator does not exist: timestamp without time zone >= time with time zone"
  ]
] as const

/** Calls that the documentation of Message DB shows, and that work neither there nor here. */
const missing = [
  [
    "get_category_messages(category_name => 'a')",
    "42883",
    "function message_store.get_category_messages(category_name => unknown) does not exist"
  ],
  ["get_stream_messages('account-1', position => 4)", "42601", "syntax error at or near \"=>\""],
  ["hash_64(1)", "42883", "function message_store.hash_64(integer) does not exist"]
] as const

/** Runs the effect in a transaction with the value of a setting. */
const withSetting = Effect.fnUntraced(function*<A, E, R>(name: string, value: string, effect: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient
  return yield* sql.withTransaction(Effect.andThen(
    sql`SELECT set_config(${`message_store.${name}`}, ${value}, true)`,
    effect
  ))
})

for (const server of inject("postgres")) {
  const logged = Layer.effectDiscard(writeLog).pipe(Layer.provideMerge(Database.layer({ server })))
  layer(logged, { excludeTestServices: true })(`reading on ${server.name}`, (it) => {
    it.effect("returns the message as text, in Message DB's columns", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const [expected] = yield* sql`SELECT id::text, "time" FROM message_store.messages WHERE global_position = 9`
        for (
          const from of [
            sql`message_store.get_stream_messages('payment-1')`,
            sql`message_store.get_category_messages('payment')`,
            sql`message_store.get_category_messages('payment', 1, 1000, 'order')`,
            sql`message_store.get_category_messages('payment', 1, 1000, NULL, 0, 1)`,
            sql`message_store.get_category_messages('payment', 1, 1000, 'order', 0, 1)`,
            sql`message_store.get_last_stream_message('payment-1')`,
            sql`message_store.get_last_stream_message('payment-1', 'Paid')`
          ]
        ) {
          const [row] = yield* sql`SELECT * FROM ${from} LIMIT 1`
          assert.deepStrictEqual(Object.entries(row ?? {}), [
            ["id", expected?.["id"]],
            ["stream_name", "payment-1"],
            ["type", "Paid"],
            ["position", 0n],
            ["global_position", 9n],
            ["data", "{\"a\": [true, null], \"b\": 1}"],
            ["metadata", "{\"correlationStreamName\": \"order-9\"}"],
            ["time", expected?.["time"]]
          ])
        }
      }))

    it.effect.each(ofStream)("get_stream_messages %o", ([args, positions]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* streamPositions(args), positions)
      }))

    it.effect.each(ofCategory)("get_category_messages %o", ([args, positions]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* globalPositions(args), positions)
      }))

    it.effect.each(refusals)("%s refuses %o", ([name, args, code, message]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* refusal(read(name, args)), { code, message })
      }))

    it.effect("reads 1000 messages unless told otherwise", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        yield* sql`INSERT INTO message_store.messages (global_position, stream_name, position, type)
          SELECT 1000000 + i, 'many-1', i, 'T' FROM generate_series(0, 1000) AS i`
        assert.lengthOf(yield* streamPositions({ stream_name: "many-1" }), 1000)
        assert.lengthOf(yield* streamPositions({ stream_name: "many-1", batch_size: null }), 1000)
        assert.lengthOf(yield* streamPositions({ stream_name: "many-1", batch_size: -1 }), 1001)
        assert.lengthOf(yield* globalPositions({ category: "many" }), 1000)
        assert.lengthOf(yield* globalPositions({ category: "many", batch_size: null }), 1000)
        assert.lengthOf(yield* globalPositions({ category: "many", batch_size: -1 }), 1001)
      }))

    it.effect("assigns the streams of a category to the members of a group larger than a smallint", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const [hash] = yield* sql<{ readonly member: bigint }>`SELECT abs(message_store.hash_64('1') % 40000) AS member`
        const args = { category: "group", consumer_group_size: 40_000 }
        assert.deepStrictEqual(
          yield* globalPositions({ ...args, consumer_group_member: Number(hash?.member) }),
          [18]
        )
      }))

    it.effect("assigns a stream with the lowest possible hash", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        // No value with this hash is known, so the test replaces the function until the rollback.
        const members = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
          yield* sql`CREATE OR REPLACE FUNCTION message_store.hash_64(value varchar) RETURNS bigint
            LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (-9223372036854775808)::bigint`
          const counts = yield* Effect.forEach([0, 1, 2], (member) =>
            globalPositions({ category: "group", consumer_group_member: member, consumer_group_size: 3 }))
          return yield* Effect.fail(counts.map((rows) =>
            rows.length
          ))
        })))
        assert.deepStrictEqual(members, [0, 0, 8])
      }))

    it.effect.each(ofLast)("get_last_stream_message %o", ([args, positions]) =>
      Effect.gen(function*() {
        const rows = yield* read("get_last_stream_message", args)
        assert.deepStrictEqual(rows.map((row) => Number(row.global_position)), positions)
      }))

    it.effect.each(["off", "OFF", "ON", "true", "1", ""])(
      "a condition is not active with the setting '%s'",
      (value) =>
        Effect.gen(function*() {
          for (
            const [name, args] of [
              ["get_stream_messages", { stream_name: "account-1", condition: "true" }],
              ["get_category_messages", { category: "account", condition: "true" }]
            ] as const
          ) {
            assert.deepStrictEqual(yield* refusal(withSetting("sql_condition", value, read(name, args))), {
              code: "P0001",
              message: "Retrieval with SQL condition is not activated"
            })
          }
        })
    )

    it.effect("a condition is no longer active after RESET", () =>
      Effect.gen(function*() {
        const { url } = yield* Database.Database
        const sql = yield* Database.session(url)
        const conditional = sql`SELECT * FROM message_store.get_stream_messages('account-1', condition => 'true')`
        yield* sql`SET message_store.sql_condition = on`
        assert.lengthOf(yield* conditional, 4)
        yield* sql`RESET message_store.sql_condition`
        assert.strictEqual((yield* refusal(conditional)).code, "P0001")
      }))

    it.effect.each(conditions)("%s with a condition %o", ([name, args, positions]) =>
      Effect.gen(function*() {
        const rows = yield* withSetting("sql_condition", "on", read(name, args))
        assert.deepStrictEqual(rows.map((row) => Number(row.global_position)), positions)
      }))

    it.effect.each(faultyConditions)(
      "the condition '%s' fails with %s",
      ([condition, code, message]) =>
        Effect.gen(function*() {
          for (
            const [name, args] of [
              ["get_stream_messages", { stream_name: "account-1", condition }],
              ["get_category_messages", { category: "account", condition }]
            ] as const
          ) {
            assert.deepStrictEqual(yield* refusal(withSetting("sql_condition", "on", read(name, args))), {
              code,
              message
            })
          }
        })
    )

    it.effect("a condition is active when the settings of the database activate it", () =>
      Effect.gen(function*() {
        const { name, url } = yield* Database.make({ server })
        const sql = yield* SqlClient
        yield* sql`ALTER DATABASE ${sql(name)} SET message_store.sql_condition = 'on'`
        const session = yield* Database.session(url)
        assert.deepStrictEqual(
          yield* session`SELECT * FROM message_store.get_stream_messages('account-1', condition => 'true')`,
          []
        )
      }))

    it.effect("a condition has the rights of the caller", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        const { url } = yield* Database.Database
        const role = yield* Role.make()
        yield* sql`GRANT message_store TO ${sql(role.name)}`
        const member = yield* Database.session(role.url(url))
        yield* member`SET message_store.sql_condition = on`
        assert.deepStrictEqual(
          yield* refusal(member`SELECT * FROM message_store.get_stream_messages('account-1', condition =>
            'EXISTS (SELECT FROM pg_authid)')`),
          { code: "42501", message: "permission denied for table pg_authid" }
        )
      }))

    it.effect.each(missing)("refuses %s, which does not exist", ([call, code, message]) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient
        assert.deepStrictEqual(yield* refusal(sql.unsafe(`SELECT * FROM message_store.${call}`)), { code, message })
      }))
  })
}
