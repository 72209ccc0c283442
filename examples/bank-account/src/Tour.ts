/**
 * A tour on an empty store: it prints each command with the events that it wrote, or with the reason for which it was
 * refused.
 */
import { Console, Effect, Option, Stream } from "effect"
import { MessageStore, StoreFailure } from "eventfold"
import * as Account from "./Account.ts"
import * as Money from "./Money.ts"
import * as Report from "./Report.ts"

const [alice, bob, carol] = [
  Account.AccountId.make("alice"),
  Account.AccountId.make("bob"),
  Account.AccountId.make("carol")
]

const euros = (count: number): Money.Amount => Money.Amount.make(count * 100)

const title = (text: string) => Console.log(`\n${text}`)

export const tour = Effect.gen(function*() {
  const store = yield* MessageStore.MessageStore
  let seen = 0

  /** The stored messages that no step has printed yet. */
  const news = Effect.suspend(() =>
    Stream.runCollect(store.readCategory(Account.Account.categoryName, { from: seen + 1 }))
  )
    .pipe(
      Effect.tap((messages) =>
        Effect.sync(() => {
          seen = messages.at(-1)?.globalPosition ?? seen
        })
      )
    )

  const step = Effect.fnUntraced(function*<E extends Error, R>(
    what: string,
    command: Effect.Effect<unknown, E, R>
  ) {
    yield* Console.log(`> ${what}`)
    // What is not the store's answer is a refusal of the bank.
    const refusal = yield* command.pipe(
      Effect.as(undefined),
      Effect.catchIf((error) => !StoreFailure.is(error), (refusal) => Effect.succeed(refusal))
    )
    if (refusal !== undefined) yield* Console.log(`    refused: ${refusal.message}`)
    const messages = yield* news
    if (refusal === undefined && messages.length === 0) yield* Console.log("    already done: nothing is written")
    for (const { data, metadata, position, streamName, type } of messages) {
      yield* Console.log(`    ${streamName} ${position}: ${type} ${JSON.stringify(data)} ${JSON.stringify(metadata)}`)
    }
  })

  yield* Console.log(
    "A line with > is a command. Below it are the events that it wrote: stream, position, type, data and\n" +
      "metadata."
  )

  yield* title("An account is opened only once")
  yield* step("open alice", Account.open({ account: alice, owner: "Alice", by: "Tess" }))
  yield* step("open bob", Account.open({ account: bob, owner: "Bob", by: "Tess" }))
  yield* step("open alice", Account.open({ account: alice, owner: "Another Alice", by: "Tess" }))

  yield* title("Decisions are made on the balance, which is the sum of the events")
  yield* step("deposit alice 100.00", Account.deposit({ account: alice, cents: euros(100), by: "Alice" }))
  // The statement below ends with the deposit: the withdrawal must not have the same millisecond.
  yield* Effect.sleep("2 millis")
  yield* step("withdraw alice 30.00", Account.withdraw({ account: alice, cents: euros(30), by: "Alice" }))
  yield* step("withdraw alice 500.00", Account.withdraw({ account: alice, cents: euros(500), by: "Alice" }))

  yield* title("A transfer writes to two streams in one transaction, and once, no matter how often it is sent")
  const rent = { from: alice, to: bob, cents: euros(25), by: "Alice", commandId: "rent-november" }
  yield* step("transfer alice bob 25.00 --command-id rent-november", Account.transfer(rent))
  yield* step("transfer alice bob 25.00 --command-id rent-november", Account.transfer(rent))
  yield* step(
    "transfer alice bob 20.00 --command-id rent-november",
    Account.transfer({ ...rent, cents: euros(20) })
  )

  yield* title("A statement is the events and the state that they fold into, now or at a time")
  const now = yield* Account.statement(alice)
  yield* Console.log(`> statement alice\n${Report.statement(now)}`)
  const deposited = now.lines.find(({ event }) => event.type === "Deposited")
  const before = yield* Account.statement(alice, deposited?.event.recorded.time)
  yield* Console.log(`> statement alice --at <the time of the deposit>\n${Report.statement(before)}`)

  yield* title("Commands race, and each is decided on the latest state")
  const back = { from: bob, to: alice, cents: euros(1), by: "Bob" }
  yield* Console.log("> 60 times, 6 at once: transfer bob alice 1.00, transfer alice bob 1.00")
  yield* Effect.forEach(
    Array.from({ length: 60 }, (_, i) => i % 2 === 0 ? back : { ...back, from: alice, to: bob, by: "Alice" }),
    Account.transfer,
    { concurrency: 6, discard: true }
  )
  yield* Console.log(`    ${(yield* news).length} events, and the balances are what they were before:`)
  for (const account of [alice, bob]) {
    yield* Console.log(`    ${Report.balance(account, (yield* Account.Balance.load(account)).state)}`)
  }
  const snapshot = yield* store.lastMessage(`${Account.Account.categoryName}:snapshot-${alice}`)
  if (Option.isSome(snapshot)) {
    const { data, streamName } = snapshot.value
    yield* Console.log(`    the last snapshot, in ${streamName}: ${JSON.stringify(data)}`)
  }

  yield* title("Events that an older version of the program wrote are upcast when they are read")
  yield* step(
    "(last year's program: open carol, deposit carol 12.50)",
    store.append(`${Account.Account.categoryName}-${carol}`, [
      { type: "Opened", data: { owner: "Carol" }, metadata: { by: "Tess" } },
      { type: "Deposited", data: { amount: 12.5 }, metadata: { by: "Carol" } }
    ])
  )
  yield* step("deposit carol 7.00", Account.deposit({ account: carol, cents: euros(7), by: "Carol" }))
  yield* Console.log(`> statement carol\n${Report.statement(yield* Account.statement(carol))}`)

  yield* title("An account is closed when it is empty, and then refuses everything")
  yield* step("close alice", Account.close({ account: alice, by: "Tess" }))
  yield* step("transfer alice bob 45.00", Account.transfer({ from: alice, to: bob, cents: euros(45), by: "Alice" }))
  yield* step("close alice", Account.close({ account: alice, by: "Tess" }))
  yield* step("deposit alice 1.00", Account.deposit({ account: alice, cents: euros(1), by: "Alice" }))

  yield* title("In the end")
  for (const account of [alice, bob, carol]) {
    yield* Console.log(Report.balance(account, (yield* Account.Balance.load(account)).state))
  }
})
