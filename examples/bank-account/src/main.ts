/**
 * The command line: a command for each operation on an account, and a tour of them all.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CommandLine from "@eventfold/example-command-line/CommandLine"
import * as Main from "@eventfold/example-command-line/Main"
import * as Pglite from "@eventfold/pglite/Pglite"
import { Config, Console, DateTime, Effect, Layer, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { EntityCache, type MessageStore } from "eventfold"
import * as Account from "./Account.ts"
import * as Money from "./Money.ts"
import * as Report from "./Report.ts"
import { tour } from "./Tour.ts"

// The application decides about the cache: the domain code does not know whether its entities are cached.
const Cache = EntityCache.layer({ capacity: 10_000 })

const root = Command.make("bank").pipe(Command.withSharedFlags({
  ...CommandLine.storeFlags,
  by: Flag.String("by").pipe(
    Flag.withDescription("The person that gives the command"),
    Flag.withFallbackConfig(Config.String("USER")),
    Flag.withDefault("unknown"),
    Flag.filter(Schema.is(Account.PersonName), () => "1 to 80 printable characters")
  )
}))

/** Runs a command on the store that the flags name. */
const onStore = Effect.fnUntraced(
  function*<E extends Error>(
    command: (by: string) => Effect.Effect<void, E, MessageStore.MessageStore>
  ) {
    const { by, ...store } = yield* root
    yield* Effect.provide(command(by), Layer.merge(CommandLine.storeLayer(store), Cache))
  },
  Effect.catch(CommandLine.report)
)

const account = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("The id of an account, such as alice"),
    Argument.filterMap(
      Schema.decodeOption(Account.AccountId),
      () => "at most 40 lower-case letters and digits, with single dashes between them"
    )
  )

const cents = Argument.String("amount").pipe(
  Argument.withDescription("In euros, such as 12.50 or 12"),
  Argument.filterMap(
    Money.parse,
    () => "euros, with two digits of cents or none, from 0.01 to 10000000000: 12.50, or 12"
  )
)

const date = /^\d{4}-\d\d-\d\d/
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

/** The start of a day of the calendar. The date parser also accepts the 31st of shorter months, so this checks. */
const day = (text: string): Option.Option<DateTime.Utc> =>
  Option.filter(DateTime.make(text), (time) => DateTime.formatIsoDateUtc(time) === text)

/** The end of a day, or a moment with its time zone. */
const time = (text: string): Option.Option<DateTime.Utc> => {
  const [calendarDay = ""] = date.exec(text) ?? []
  return Option.flatMap(day(calendarDay), (beginning) => {
    if (calendarDay === text) return Option.some(DateTime.endOf(beginning, "day"))
    return instant.test(text) ? DateTime.make(text) : Option.none()
  })
}

const open = Command.make("open", {
  account: account("account"),
  owner: Flag.String("owner").pipe(
    Flag.withDescription("The owner of the account; by default the id"),
    Flag.filter(Schema.is(Account.PersonName), () => "1 to 80 printable characters"),
    Flag.optional
  )
}, ({ account, owner }) =>
  onStore(Effect.fnUntraced(function*(by) {
    const { state } = yield* Account.open({ account, owner: Option.getOrElse(owner, () => account), by })
    yield* Console.log(`opened ${Report.balance(account, state)}`)
  }))).pipe(Command.withDescription("Opens an account"))

const deposit = Command.make(
  "deposit",
  { account: account("account"), cents },
  ({ account, cents }) =>
    onStore(Effect.fnUntraced(function*(by) {
      const { state } = yield* Account.deposit({ account, cents, by })
      yield* Console.log(`deposited ${Money.format(cents)}; ${Report.balance(account, state)}`)
    }))
).pipe(Command.withDescription("Pays in"))

const withdraw = Command.make(
  "withdraw",
  { account: account("account"), cents },
  ({ account, cents }) =>
    onStore(Effect.fnUntraced(function*(by) {
      const { state } = yield* Account.withdraw({ account, cents, by })
      yield* Console.log(`withdrew ${Money.format(cents)}; ${Report.balance(account, state)}`)
    }))
).pipe(Command.withDescription("Pays out, when the balance covers it"))

const transfer = Command.make("transfer", {
  from: account("from"),
  to: account("to"),
  cents,
  commandId: Flag.String("command-id").pipe(
    Flag.withDescription("Any text: a transfer that is sent again under the same id is not made again"),
    Flag.optional
  ),
  times: Flag.Int("times").pipe(
    Flag.withDescription(
      "Makes the transfer this many times, with the command ids <command-id>/1, <command-id>/2 and so on"
    ),
    Flag.filter((times) => times > 0, () => "at least 1"),
    Flag.optional
  )
}, ({ cents, commandId, from, times, to }) =>
  onStore(Effect.fnUntraced(function*(by) {
    const id = Option.getOrUndefined(commandId)
    for (let time = 1; time <= Option.getOrElse(times, () => 1); time++) {
      const { payee, payer } = yield* Account.transfer({
        from,
        to,
        cents,
        by,
        commandId: id !== undefined && Option.isSome(times) ? `${id}/${time}` : id
      })
      const balances = `${Report.balance(from, payer.state)}, ${Report.balance(to, payee.state)}`
      yield* Console.log(`transferred ${Money.format(cents)}; ${balances}`)
    }
  }))).pipe(Command.withDescription("Moves money from one account to another"))

const statement = Command.make("statement", {
  account: account("account"),
  at: Flag.String("at").pipe(
    Flag.withDescription("The end of a day in UTC, 2026-11-01, or a time, 2026-11-01T12:00:00Z; by default now"),
    Flag.filterMap(time, () => "a day, 2026-11-01, or a time with its zone, 2026-11-01T12:00:00Z"),
    Flag.optional
  )
}, ({ account, at }) =>
  onStore(Effect.fnUntraced(function*() {
    yield* Console.log(Report.statement(yield* Account.statement(account, Option.getOrUndefined(at))))
  }))).pipe(Command.withDescription("Shows the events of an account, and its balance"))

const close = Command.make(
  "close",
  { account: account("account") },
  ({ account }) =>
    onStore(Effect.fnUntraced(function*(by) {
      const { state } = yield* Account.close({ account, by })
      yield* Console.log(Report.balance(account, state))
    }))
).pipe(Command.withDescription("Closes an empty account"))

root.pipe(
  Command.withHandler(() =>
    tour.pipe(Effect.provide(Layer.merge(Pglite.layer(), Cache)), Effect.catch(CommandLine.report))
  ),
  Command.withDescription("Bank accounts. Without a command: a tour on a new store in memory, whatever the flags say"),
  Command.withSubcommands([open, deposit, withdraw, transfer, statement, close]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  Main.run
)
