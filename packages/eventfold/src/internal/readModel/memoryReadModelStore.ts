import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { MemoryTables, type Rows, Transaction } from "../../MemoryTable.ts"
import {
  type Backend,
  type Build,
  BuildMoved,
  type Checkpoint,
  make as makeService,
  ReadModelStore,
  type TableDifference
} from "../../ReadModelStore.ts"
import { Unsupported } from "../../StoreError.ts"
import * as StreamName from "../../StreamName.ts"

/** A build and its tables, as the last transaction committed them. Rows are replaced and never changed. */
interface Entry {
  readonly build: Build
  readonly rows: Rows
}

interface ReadModelEntry {
  /** Held by the transaction in progress: a read model has one at a time. */
  readonly lock: Semaphore.Semaphore
  entries: ReadonlyArray<Entry>
}

/** A transaction in progress: a build and its tables, as it has changed them so far. */
interface BuildTransaction extends Transaction {
  build: Build
}

/** The transaction that `switchTo` runs its `prepare` in. */
const Switching = Context.Reference<BuildTransaction | undefined>("eventfold/MemoryReadModels/Switching", {
  defaultValue: () => undefined
})

const movedOf = ({ number, readModel }: Build) => new BuildMoved({ readModel, number })

const isAsGiven = (now: Build | undefined, given: Build): now is Build =>
  now !== undefined && now.state === given.state && now.fingerprint === given.fingerprint &&
  Equal.equals(now.checkpoint, given.checkpoint)

const restore = (rows: Rows, before: Rows) => {
  rows.clear()
  for (const [name, table] of before) rows.set(name, table)
}

/** Counts the rows of one table that are not in another. */
const onlyIn = (a: HashMap.HashMap<unknown, unknown>, b: HashMap.HashMap<unknown, unknown>): number =>
  HashMap.toEntries(a).filter(([key, row]) => !Equal.equals(HashMap.get(b, key), Option.some(row))).length

const compared = (live: Rows, own: Rows): ReadonlyArray<TableDifference> =>
  [...new Set([...live.keys(), ...own.keys()])].toSorted().map((table) => {
    const [a, b] = [live.get(table) ?? HashMap.empty(), own.get(table) ?? HashMap.empty()]
    return { table, onlyLive: onlyIn(a, b), onlyNew: onlyIn(b, a), columns: [] }
  })

/** One `advance` within a transaction: when its handlers fail, only what they changed is rolled back. */
const advanceIn = <E, R>(
  transaction: BuildTransaction,
  build: Build,
  to: Checkpoint,
  handle: Effect.Effect<void, E, R>
) =>
  Effect.suspend((): Effect.Effect<Build, E | BuildMoved, R> => {
    if (!isAsGiven(transaction.build, build)) return Effect.fail(movedOf(build))
    const before = new Map(transaction.rows)
    return Effect.provideService(handle, Transaction, transaction).pipe(
      Effect.onError(() => Effect.sync(() => restore(transaction.rows, before))),
      Effect.map(() => {
        transaction.build = { ...transaction.build, checkpoint: to }
        return transaction.build
      })
    )
  })

const isLive = ({ build }: Entry): boolean => build.state === "live"

/** The builds of a read model with a new one, which is live when no other build is. */
const added = (
  entries: ReadonlyArray<Entry>,
  definition: Pick<Build, "readModel" | "version" | "fingerprint" | "checkpoint" | "createdAt">
): readonly [Build, ReadonlyArray<Entry>] => {
  const number = (entries.at(-1)?.build.number ?? 0) + 1
  const build: Build = { ...definition, number, state: entries.some(isLive) ? "building" : "live" }
  return [build, [...entries, { build, rows: new Map() }]]
}

/** The builds of a read model before another one becomes live: the live one is retired, earlier ones are dropped. */
const retired = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  entries.flatMap((entry) => {
    if (entry.build.state === "retired") return []
    return isLive(entry) ? [{ ...entry, build: { ...entry.build, state: "retired" } }] : [entry]
  })

const make = (readModels: Map<string, ReadModelEntry>): Backend => {
  const of = (readModel: string): ReadModelEntry => {
    const found = readModels.get(readModel) ?? { lock: Semaphore.makeUnsafe(1), entries: [] }
    readModels.set(readModel, found)
    return found
  }

  const find = ({ number, readModel }: Build): Entry | undefined =>
    of(readModel).entries.find(({ build }) => build.number === number)

  const put = (entry: Entry) => {
    const one = of(entry.build.readModel)
    one.entries = one.entries.map((other) => other.build.number === entry.build.number ? entry : other)
  }

  const locked = <A, E, R>({ readModel }: Pick<Build, "readModel">, effect: () => Effect.Effect<A, E, R>) =>
    of(readModel).lock.withPermit(Effect.suspend(effect))

  const changed = (build: Build, change: (now: Build) => Build) =>
    locked(build, () => {
      const entry = find(build)
      if (entry === undefined) return Effect.fail(movedOf(build))
      const next = change(entry.build)
      put({ ...entry, build: next })
      return Effect.succeed(next)
    })

  /** Runs a transaction on a build, and commits it when it succeeds. */
  const transact = <A, E, R>(build: Build, transaction: (current: BuildTransaction) => Effect.Effect<A, E, R>) =>
    locked(build, (): Effect.Effect<A, E | BuildMoved, R> => {
      const entry = find(build)
      if (entry === undefined || !isAsGiven(entry.build, build)) return Effect.fail(movedOf(build))
      const current: BuildTransaction = { readModel: build.readModel, build: entry.build, rows: new Map(entry.rows) }
      return Effect.map(transaction(current), (result) => {
        put({ build: current.build, rows: current.rows })
        return result
      })
    })

  const create: Backend["create"] = Effect.fnUntraced(
    function*({ fingerprint, name, tables, version }, { after, checkpoint }) {
      if (tables.length > 0) {
        return yield* new Unsupported({
          operation: "tables of read models in memory",
          remedy: "use MemoryTable, or a store with tables, such as SqlReadModel of @eventfold/postgres"
        })
      }
      const createdAt = yield* DateTime.now
      return yield* locked({ readModel: name }, () => {
        const one = of(name)
        const newest = one.entries.at(-1)?.build.number ?? 0
        if (newest !== after) return Effect.fail(new BuildMoved({ readModel: name, number: newest }))
        const [build, entries] = added(one.entries, { readModel: name, version, fingerprint, checkpoint, createdAt })
        one.entries = entries
        return Effect.succeed(build)
      })
    }
  )

  const switchTo: Backend["switchTo"] = (build, prepare) =>
    transact(build, (current) => {
      const one = of(build.readModel)
      const live = one.entries.find(isLive)
      const differences = Effect.sync(() => compared(live?.rows ?? new Map(), current.rows))
      return prepare(Option.fromUndefinedOr(live?.build), differences).pipe(
        Effect.provideService(Switching, current),
        Effect.flatMap((prepared) => {
          const isBehind = prepared.checkpoint.position < (live?.build.checkpoint.position ?? 0)
          if (isBehind || !isAsGiven(current.build, prepared)) return Effect.fail(movedOf(build))
          current.build = { ...prepared, state: "live" }
          one.entries = retired(one.entries)
          return Effect.succeed(current.build)
        })
      )
    })

  return {
    builds: (readModel) => Effect.sync(() => of(readModel).entries.map(({ build }) => build)),
    list: Effect.sync(() =>
      [...readModels.keys()].toSorted(StreamName.Order).flatMap((name) => of(name).entries.map(({ build }) => build))
    ),
    create,
    advance: (build, to, handle) =>
      Effect.flatMap(Switching, (current) =>
        current?.readModel === build.readModel
          ? advanceIn(current, build, to, handle)
          : transact(build, (current) => advanceIn(current, build, to, handle))),
    switchTo,
    rewind: (build, checkpoint) => changed(build, (now) => ({ ...now, checkpoint })),
    accept: (build, fingerprint) => changed(build, (now) => ({ ...now, fingerprint })),
    drop: (build) =>
      locked(build, () => {
        const one = of(build.readModel)
        const entry = find(build)
        if (entry === undefined || isLive(entry)) return Effect.fail(movedOf(build))
        one.entries = one.entries.filter((other) => other !== entry)
        return Effect.void
      })
  }
}

export const layer: Layer.Layer<ReadModelStore | MemoryTables> = Layer.effectContext(Effect.sync(() => {
  const readModels = new Map<string, ReadModelEntry>()
  const tables = MemoryTables.of({ rows: (readModel) => readModels.get(readModel)?.entries.find(isLive)?.rows })
  return Context.make(ReadModelStore, makeService(make(readModels))).pipe(Context.add(MemoryTables, tables))
}))
