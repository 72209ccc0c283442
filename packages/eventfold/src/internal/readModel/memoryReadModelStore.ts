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
  make as makeService,
  ReadModelStore,
  type TableDifference
} from "../../ReadModelStore.ts"
import { Unsupported } from "../../StoreError.ts"

/** A build and its tables, as they were committed last. Rows are never changed, but replaced. */
interface Entry {
  readonly build: Build
  readonly rows: Rows
}

interface ReadModelEntry {
  /** One transaction at a time. */
  readonly lock: Semaphore.Semaphore
  entries: ReadonlyArray<Entry>
}

/** A build in the hands of a transaction. */
interface Work extends Transaction {
  build: Build
}

const Working = Context.Reference<Work | undefined>("eventfold/MemoryReadModels/Work", {
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

/** How many rows of one table are not in another. */
const onlyIn = (a: HashMap.HashMap<unknown, unknown>, b: HashMap.HashMap<unknown, unknown>): number =>
  HashMap.toEntries(a).filter(([key, row]) => !Equal.equals(HashMap.get(b, key), Option.some(row))).length

const compared = (live: Rows, own: Rows): ReadonlyArray<TableDifference> =>
  [...new Set([...live.keys(), ...own.keys()])].toSorted().map((table) => {
    const [a, b] = [live.get(table) ?? HashMap.empty(), own.get(table) ?? HashMap.empty()]
    return { table, onlyLive: onlyIn(a, b), onlyNew: onlyIn(b, a), columns: [] }
  })

/** Changes the tables of the build that a transaction has, or leaves them as they were. */
const step = <E, R>(work: Work, build: Build, to: Build["checkpoint"], handle: Effect.Effect<void, E, R>) =>
  Effect.suspend((): Effect.Effect<Build, E | BuildMoved, R> => {
    if (!isAsGiven(work.build, build)) return Effect.fail(movedOf(build))
    const before = new Map(work.rows)
    return Effect.provideService(handle, Transaction, work).pipe(
      Effect.onError(() => Effect.sync(() => restore(work.rows, before))),
      Effect.map(() => {
        work.build = { ...work.build, checkpoint: to }
        return work.build
      })
    )
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

  const changed = (build: Build, change: (now: Build) => Build) =>
    of(build.readModel).lock.withPermit(Effect.suspend(() => {
      const entry = find(build)
      if (entry === undefined) return Effect.fail(movedOf(build))
      const next = change(entry.build)
      put({ ...entry, build: next })
      return Effect.succeed(next)
    }))

  /** Runs a transaction on a build, which is committed when it succeeds. */
  const transact = <A, E, R>(build: Build, transaction: (work: Work) => Effect.Effect<A, E, R>) =>
    of(build.readModel).lock.withPermit(Effect.suspend((): Effect.Effect<A, E | BuildMoved, R> => {
      const entry = find(build)
      if (entry === undefined || !isAsGiven(entry.build, build)) return Effect.fail(movedOf(build))
      const work: Work = { readModel: build.readModel, build: entry.build, rows: new Map(entry.rows) }
      return Effect.map(transaction(work), (result) => {
        put({ build: work.build, rows: work.rows })
        return result
      })
    }))

  return {
    builds: (readModel) => Effect.sync(() => of(readModel).entries.map(({ build }) => build)),
    create: ({ fingerprint, name, tables, version }, { after, checkpoint }) =>
      Effect.gen(function*() {
        if (tables.length > 0) {
          const remedy = "use MemoryTable, or a store that has tables, such as that of @eventfold/postgres"
          return yield* new Unsupported({ operation: "read models with tables in memory", remedy })
        }
        const createdAt = yield* DateTime.now
        return yield* of(name).lock.withPermit(Effect.suspend(() => {
          const one = of(name)
          const newest = one.entries.at(-1)?.build.number ?? 0
          if (newest !== after) return Effect.fail(new BuildMoved({ readModel: name, number: newest }))
          const build: Build = {
            readModel: name,
            number: newest + 1,
            version,
            fingerprint,
            state: one.entries.some(({ build }) => build.state === "live") ? "building" : "live",
            checkpoint,
            createdAt
          }
          one.entries = [...one.entries, { build, rows: new Map() }]
          return Effect.succeed(build)
        }))
      }),
    advance: (build, to, handle) =>
      Effect.flatMap(Working, (work) =>
        work?.readModel === build.readModel
          ? step(work, build, to, handle)
          : transact(build, (work) => step(work, build, to, handle))),
    switchTo: (build, prepare) =>
      transact(build, (work) =>
        Effect.suspend(() => {
          const live = of(build.readModel).entries.find(({ build }) => build.state === "live")
          const differences = Effect.sync(() => compared(live?.rows ?? new Map(), work.rows))
          return prepare(Option.fromUndefinedOr(live?.build), differences).pipe(
            Effect.provideService(Working, work),
            Effect.flatMap((prepared) => {
              const isBehind = prepared.checkpoint.position < (live?.build.checkpoint.position ?? 0)
              if (isBehind || !isAsGiven(work.build, prepared)) return Effect.fail(movedOf(build))
              work.build = { ...prepared, state: "live" }
              const one = of(build.readModel)
              one.entries = one.entries.flatMap((entry) =>
                entry.build.state === "retired"
                  ? []
                  : entry === live
                  ? [{ ...entry, build: { ...entry.build, state: "retired" } }]
                  : [entry]
              )
              return Effect.succeed(work.build)
            })
          )
        })),
    rewind: (build, checkpoint) => changed(build, (now) => ({ ...now, checkpoint })),
    accept: (build, fingerprint) => changed(build, (now) => ({ ...now, fingerprint })),
    drop: (build) =>
      of(build.readModel).lock.withPermit(Effect.suspend(() => {
        const one = of(build.readModel)
        const entry = find(build)
        if (entry === undefined || entry.build.state === "live") return Effect.fail(movedOf(build))
        one.entries = one.entries.filter((other) => other !== entry)
        return Effect.void
      }))
  }
}

export const layer: Layer.Layer<ReadModelStore | MemoryTables> = Layer.effectContext(Effect.sync(() => {
  const readModels = new Map<string, ReadModelEntry>()
  const tables = MemoryTables.of({
    rows: (readModel) => readModels.get(readModel)?.entries.find(({ build }) => build.state === "live")?.rows
  })
  return Context.make(ReadModelStore, makeService(make(readModels))).pipe(Context.add(MemoryTables, tables))
}))
