/**
 * A bank account, from top to bottom: its events, the state that they fold into, the decisions on that state, and the
 * functions that a program calls.
 */
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { Category, Entity } from "eventfold"
import * as Money from "./Money.ts"

/** The name of an account, and the id of its stream: `alice` has the stream `account-alice`. */
export const AccountId = Schema.String.check(Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/), Schema.isMaxLength(40)).pipe(
  Schema.brand("AccountId")
)

export type AccountId = typeof AccountId.Type

/** The name of a person: text that fits into one line of a terminal. */
export const PersonName = Schema.String.check(Schema.isPattern(/^\P{C}{1,80}$/u))

/** The first version of this program wrote euros: `{ "amount": 12.5 }`. Such events are read as cents. */
export const Deposited = Category.version({ amount: Money.Euros }).upcast(
  { cents: Money.Amount },
  ({ amount }) => Effect.map(Money.fromEuros(amount), (cents) => ({ cents }))
)

export class Account extends Category.make("account", {
  Opened: { owner: PersonName },
  Deposited,
  Withdrawn: { cents: Money.Amount },
  TransferSent: { cents: Money.Amount, to: AccountId },
  TransferReceived: { cents: Money.Amount, from: AccountId },
  Closed: {}
}, {
  id: AccountId,
  // The person that gave the command.
  metadata: { by: PersonName }
}) {}

export type RecordedEvent = Category.RecordedEvent<typeof Account>

const State = Schema.Struct({
  status: Schema.Literals(["unopened", "open", "closed"]),
  owner: Schema.String,
  /** In cents. */
  balance: Schema.Int
})

export type State = typeof State.Type

const add = (state: State, cents: number): State => ({ ...state, balance: state.balance + cents })

/** The state of an account. */
export const Balance = Entity.make(Account, {
  state: State,
  initial: { status: "unopened", owner: "", balance: 0 },
  evolve: {
    Opened: (state, { owner }) => ({ ...state, status: "open", owner }),
    Deposited: (state, { cents }) => add(state, cents),
    Withdrawn: (state, { cents }) => add(state, -cents),
    TransferSent: (state, { cents }) => add(state, -cents),
    TransferReceived: (state, { cents }) => add(state, cents),
    Closed: (state) => ({ ...state, status: "closed" })
  },
  // Every 50 events a snapshot is written. A load reads the last snapshot and the events after it.
  snapshots: { version: 1, every: 50 }
})

export class AlreadyOpened extends Schema.TaggedError<AlreadyOpened>()("AlreadyOpened", {
  account: AccountId,
  owner: Schema.String
}) {
  override get message() {
    return `the account ${this.account} already exists and belongs to ${this.owner}: choose another name`
  }
}

export class NoSuchAccount extends Schema.TaggedError<NoSuchAccount>()("NoSuchAccount", {
  account: AccountId,
  /** The time that was asked for. Absent for now. */
  at: Schema.optionalKey(Schema.DateTimeUtc)
}) {
  override get message() {
    return this.at === undefined
      ? `there is no account ${this.account}: open it first`
      : `there was no account ${this.account} at ${DateTime.formatIso(this.at)}`
  }
}

export class AccountClosed extends Schema.TaggedError<AccountClosed>()("AccountClosed", { account: AccountId }) {
  override get message() {
    return `the account ${this.account} is closed`
  }
}

/** The balance does not cover a withdrawal or a transfer. */
export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  account: AccountId,
  balance: Schema.Int,
  cents: Money.Amount
}) {
  get missing(): number {
    return this.cents - this.balance
  }
  override get message() {
    const [balance, cents, missing] = [this.balance, this.cents, this.missing].map(Money.format)
    return `${this.account} has ${balance}, which is ${missing} less than ${cents}`
  }
}

export class NotEmpty extends Schema.TaggedError<NotEmpty>()("NotEmpty", { account: AccountId, balance: Schema.Int }) {
  override get message() {
    return `the account ${this.account} has ${Money.format(this.balance)} left: withdraw it first`
  }
}

export class SameAccount extends Schema.TaggedError<SameAccount>()("SameAccount", { account: AccountId }) {
  override get message() {
    return `a transfer needs two different accounts, but both are ${this.account}`
  }
}

/** The command id belongs to another transfer. */
export class CommandIdTaken extends Schema.TaggedError<CommandIdTaken>()("CommandIdTaken", {
  commandId: Schema.String
}) {
  override get message() {
    return `another transfer was made with the command id ${this.commandId}: use a new id`
  }
}

export interface Open {
  readonly account: AccountId
  readonly owner: string
  readonly by: string
}

/** A deposit or a withdrawal. */
export interface Move {
  readonly account: AccountId
  readonly cents: Money.Amount
  readonly by: string
}

export interface Transfer {
  readonly from: AccountId
  readonly to: AccountId
  readonly cents: Money.Amount
  readonly by: string
  /** A transfer that is sent again under the same id is not made again. */
  readonly commandId?: string | undefined
}

export interface Close {
  readonly account: AccountId
  readonly by: string
}

const checkOpen = (account: AccountId, { status }: State): Effect.Effect<void, NoSuchAccount | AccountClosed> => {
  switch (status) {
    case "unopened":
      return Effect.fail(new NoSuchAccount({ account }))
    case "open":
      return Effect.void
    case "closed":
      return Effect.fail(new AccountClosed({ account }))
  }
}

const checkFunds = (account: AccountId, { balance }: State, cents: Money.Amount) =>
  balance < cents ? Effect.fail(new InsufficientFunds({ account, balance, cents })) : Effect.void

export const decideOpen = ({ account, by, owner }: Open) =>
  Effect.fnUntraced(function*(state: State) {
    if (state.status === "closed") return yield* new AccountClosed({ account })
    if (state.status === "open") return yield* new AlreadyOpened({ account, owner: state.owner })
    return Account.events.Opened({ owner }, { metadata: { by } })
  })

export const decideDeposit = ({ account, by, cents }: Move) =>
  Effect.fnUntraced(function*(state: State) {
    yield* checkOpen(account, state)
    return Account.events.Deposited({ cents }, { metadata: { by } })
  })

export const decideWithdraw = ({ account, by, cents }: Move) =>
  Effect.fnUntraced(function*(state: State) {
    yield* checkOpen(account, state)
    yield* checkFunds(account, state, cents)
    return Account.events.Withdrawn({ cents }, { metadata: { by } })
  })

export const decideTransfer = ({ by, cents, from, to }: Transfer) =>
  Effect.fnUntraced(function*({ payee, payer }: { readonly payer: State; readonly payee: State }) {
    yield* checkOpen(from, payer)
    yield* checkOpen(to, payee)
    yield* checkFunds(from, payer, cents)
    return {
      payer: Account.events.TransferSent({ cents, to }, { metadata: { by } }),
      payee: Account.events.TransferReceived({ cents, from }, { metadata: { by } })
    }
  })

/** Closing an account twice is not an error, and writes nothing. */
export const decideClose = ({ account, by }: Close) =>
  Effect.fnUntraced(function*(state: State) {
    if (state.status === "closed") return []
    yield* checkOpen(account, state)
    if (state.balance > 0) return yield* new NotEmpty({ account, balance: state.balance })
    return [Account.events.Closed({}, { metadata: { by } })]
  })

export const open = (command: Open) => Balance.transact(command.account, decideOpen(command))

export const deposit = (command: Move) => Balance.transact(command.account, decideDeposit(command))

export const withdraw = (command: Move) => Balance.transact(command.account, decideWithdraw(command))

export const close = (command: Close) => Balance.transact(command.account, decideClose(command))

/** Moves money from one account to another. Both events are written, or neither. */
export const transfer = Effect.fn("Account.transfer")(function*(command: Transfer) {
  const { cents, commandId, from, to } = command
  if (from === to) return yield* new SameAccount({ account: from })
  const targets = { payer: Balance.at(from), payee: Balance.at(to) }
  const { entities } = yield* Entity.transactAll(targets, decideTransfer(command), { commandId })
  // A repeated command id gives the events of the first command, even when this one differs.
  const [sent] = entities.payer.events
  const isThis = sent?.type === "TransferSent" && sent.data.to === to && sent.data.cents === cents
  if (commandId !== undefined && !isThis) return yield* new CommandIdTaken({ commandId })
  return entities
})

/** An event, and the balance after it. */
export interface Line {
  readonly event: RecordedEvent
  readonly balance: number
}

export interface Statement extends State {
  readonly account: AccountId
  /** Oldest first. */
  readonly lines: ReadonlyArray<Line>
}

/** An account now, or at a time (inclusive), with its events up to then. */
export const statement = Effect.fn("Account.statement")(function*(account: AccountId, at?: DateTime.Utc) {
  const { state, version } = at === undefined
    ? yield* Balance.load(account)
    : yield* Balance.loadAt(account, { time: at })
  if (Option.isNone(version)) return yield* new NoSuchAccount(at === undefined ? { account } : { account, at })
  const lines = yield* Account.readStream(account, { limit: version.value + 1 }).pipe(
    Stream.mapAccum(() => Balance.initial, (before, event) => {
      const after = Balance.evolve(before, event)
      return [after, [{ event, balance: after.balance }]]
    }),
    Stream.runCollect
  )
  return { account, ...state, lines } satisfies Statement
})
