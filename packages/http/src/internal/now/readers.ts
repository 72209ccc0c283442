/**
 * How far each reader is, and what needs attention, by one look at the store.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Lag, LastFailure, StoredConsumer } from "eventfold/ConsumerStatus"
import type { HeldBack } from "eventfold/HeldBack"
import type { Run, Runner } from "eventfold/Runners"
import type { Attention, NowReader, RecentError } from "../../NowApi.ts"
import { all, withoutSessions } from "../authentication/sight.ts"
import type { Look } from "./looks.ts"

/** Whose something is, and the categories that a sender must be allowed to read to see it. */
export interface Seen<A> {
  readonly shown: A
  readonly needs: ReadonlyArray<string>
}

type Whose = Pick<typeof NowReader.Type, "category" | "kind" | "reader">

type ReaderLag = typeof NowReader.Type["lag"]

/** A reader with what was seen of it. */
export interface Reader extends Whose {
  readonly needs: ReadonlyArray<string>
  readonly lag: ReaderLag
  /** When it wrote its position last. */
  readonly wroteAt: DateTime.Utc | undefined
  readonly heldBack: Option.Option<HeldBack>
  readonly parked: number
  readonly runs: ReadonlyArray<{ readonly run: Run; readonly runner: Runner }>
}

const keyOf = ({ category, kind, reader }: Whose): string => JSON.stringify([kind, reader, category])

const exact = ({ age, messages }: Lag): ReaderLag => ({ messages, isExact: true, age: Duration.toMillis(age) })

/** The lag of a consumer by its positions alone: that of its slowest member. */
const storedLag = (stored: ReadonlyArray<Pick<StoredConsumer, "behind">>): ReaderLag => {
  const ages = stored.map(({ behind: { age, positions } }) =>
    positions === 0 ? 0 : Option.getOrNull(Option.map(age, Duration.toMillis))
  )
  const known = ages.flatMap((age) => age === null ? [] : [age])
  return {
    messages: Math.max(0, ...stored.map(({ behind }) => behind.positions)),
    isExact: false,
    age: known.length < ages.length || ages.length === 0 ? null : Math.max(...known)
  }
}

const latest = (times: ReadonlyArray<DateTime.Utc>): DateTime.Utc | undefined => times.toSorted(DateTime.Order).at(-1)

/** All readers, each with where it runs. */
export const readersOf = ({ runners, survey }: Look): ReadonlyArray<Reader> => {
  const runs = runners.flatMap((runner) => runner.runs.map((run) => ({ run, runner })))
  const consumerRuns = (id: string, category?: string) =>
    runs.filter(({ run }) =>
      run.kind === "consumer" && run.id === id && (category === undefined || run.category === category)
    )
  const heldBackOf = (own: Reader["runs"], known: Option.Option<HeldBack>) =>
    Option.orElse(known, () => Option.fromUndefinedOr(own.flatMap(({ run }) => Option.toArray(run.status.heldBack))[0]))
  const processes = new Set(survey.processes.map(({ process }) => process))
  const consumers = survey.consumers.filter(({ consumer }) => consumer !== "" && !processes.has(consumer)).map((
    { category, consumer, parked, status, stored }
  ): Reader => {
    const own = consumerRuns(consumer, category)
    return {
      kind: "consumer",
      reader: consumer,
      category,
      needs: [category],
      lag: Option.match(status, { onNone: () => storedLag(stored), onSome: ({ lag }) => exact(lag) }),
      wroteAt: latest(stored.map(({ time }) => time)),
      heldBack: heldBackOf(own, Option.flatMap(status, ({ heldBack }) => heldBack)),
      parked: Option.match(parked, { onNone: () => 0, onSome: ({ messages }) => messages }),
      runs: own
    }
  })
  const ofProcesses = survey.processes.map(({ process, status }): Reader => {
    const own = consumerRuns(process)
    const known = survey.consumers.filter(({ consumer }) => consumer === process)
    return {
      kind: "process",
      reader: process,
      category: process,
      needs: [process, ...status.consumers.map(({ category }) => category)],
      lag: exact(status.lag),
      wroteAt: latest(known.flatMap(({ stored }) => stored.map(({ time }) => time))),
      heldBack: heldBackOf(own, Option.none()),
      parked: known.reduce(
        (sum, { parked }) => sum + Option.match(parked, { onNone: () => 0, onSome: ({ messages }) => messages }),
        0
      ),
      runs: own
    }
  })
  const readModels = survey.readModels.map(({ readModel, status, stored }): Reader => {
    const own = runs.filter(({ run }) => run.kind === "read model" && run.id === readModel)
    const live = Option.flatMap(status, (one) => one.live)
    const liveBuild = stored.find(({ build }) => build.state === "live")
    return {
      kind: "read model",
      reader: readModel,
      category: all,
      needs: [all],
      lag: Option.match(live, {
        onNone: () => storedLag(liveBuild === undefined ? [] : [liveBuild]),
        onSome: ({ lag }) => exact(lag)
      }),
      wroteAt: undefined,
      heldBack: heldBackOf(own, Option.flatMap(status, (one) => one.heldBack)),
      parked: 0,
      runs: own
    }
  })
  return [...consumers, ...ofProcesses, ...readModels]
}

const whoseOf = ({ category, kind, reader }: Whose): Whose => ({ kind, reader, category })

/** The runs that work, of programs that are alive. */
const working = ({ runs }: Reader) => runs.filter(({ run, runner }) => run.status.isActive && !runner.isStale)

const placeOfRunner = ({ host, pid }: Runner): string | null =>
  host === undefined && pid === undefined
    ? null
    : [...(host === undefined ? [] : [host]), ...(pid === undefined ? [] : [`pid ${pid}`])].join(" ")

const shownReader = (reader: Reader): Seen<typeof NowReader.Type> => {
  const works = working(reader)
  return {
    needs: reader.needs,
    shown: {
      ...whoseOf(reader),
      isRunning: works.length > 0,
      runsOn: works[0] === undefined ? null : placeOfRunner(works[0].runner),
      lag: reader.lag,
      rate: works.length === 0 ? null : works.reduce((sum, { run }) => sum + run.status.rate, 0),
      inFlight: works.reduce((sum, { run }) => sum + run.status.inFlight, 0),
      parked: reader.parked
    }
  }
}

/** How long a reader is not running, with messages that wait for it, before it counts as stopped: a restart takes a moment. */
const stoppedMillis = 10_000

type AnyAttention = typeof Attention.Type

const isStopped = (reader: Reader, at: number): boolean => {
  if (working(reader).length > 0 || reader.lag.messages === 0) return false
  // The store may not know what runs elsewhere; a position that was just written says that something does.
  if (reader.wroteAt !== undefined && at - DateTime.toEpochMillis(reader.wroteAt) < stoppedMillis) return false
  return reader.lag.age === null || reader.lag.age >= stoppedMillis
}

const attentionOf = (
  reader: Reader,
  { at, survey }: Look,
  failures: ReadonlyMap<string, LastFailure>
): ReadonlyArray<AnyAttention> => {
  const whose = whoseOf(reader)
  const { category, kind, reader: name } = whose
  const owners = survey.consumers.filter(({ category, consumer }) =>
    consumer === reader.reader &&
    (reader.kind === "process" || (reader.kind === "consumer" && category === reader.category))
  ).flatMap(({ parked }) => Option.toArray(parked))
  const since = owners.map((owner) => owner.since).toSorted(DateTime.Order)[0]
  const process = reader.kind === "process" ? survey.processes.find((one) => one.process === reader.reader) : undefined
  const first = process?.next[0]
  const stopped: ReadonlyArray<AnyAttention> = isStopped(reader, at)
    ? [{
      what: "stopped",
      ...whose,
      since: reader.wroteAt ?? null,
      lag: reader.lag,
      failure: failures.get(keyOf(reader))?.failure ?? null
    }]
    : []
  const stuck = working(reader).flatMap(({ run }) => run.status.stuck).slice(0, shownStuck).map((
    { attempts, failure, message, since }
  ): AnyAttention => ({ what: "stuck", kind, reader: name, category, since, message, attempts, failure }))
  const heldBack = Option.toArray(withoutSessions(reader.heldBack)).map((heldBack): AnyAttention => ({
    what: "heldBack",
    kind,
    reader: name,
    category,
    heldBack
  }))
  const parked: ReadonlyArray<AnyAttention> = since === undefined ? [] : [{
    what: "parked",
    ...whose,
    since,
    streams: owners.reduce((sum, { streams }) => sum + streams, 0),
    messages: owners.reduce((sum, { messages }) => sum + messages, 0)
  }]
  const overdue: ReadonlyArray<AnyAttention> = process === undefined || first === undefined || process.overdue === 0
    ? []
    : [{ what: "overdue", ...whose, deadlines: process.overdue, first }]
  return [...stopped, ...stuck, ...heldBack, ...parked, ...overdue]
}

/** How many messages that are being retried are shown of one reader. */
const shownStuck = 3

const order: ReadonlyArray<AnyAttention["what"]> = ["stopped", "stuck", "silent", "heldBack", "parked", "overdue"]

const silentOf = (runners: ReadonlyArray<Runner>): ReadonlyArray<Seen<AnyAttention>> =>
  runners.filter(({ isStale }) => isStale).map(({ host, pid, runs, toldAt }) => ({
    // The sources of a read model are joined by commas.
    needs: runs.flatMap(({ category, kind }) => kind === "read model" ? category.split(",") : [category]),
    shown: {
      what: "silent",
      host: host ?? null,
      pid: pid ?? null,
      since: toldAt,
      readers: [...new Set(runs.map(({ id }) => id))]
    }
  }))

type AnyError = typeof RecentError.Type

const errorOf = (
  whose: Whose,
  state: AnyError["state"],
  { globalPosition, position, streamName, type }: Pick<AnyError, "globalPosition" | "position" | "streamName" | "type">,
  { attempts, failure, time }: Pick<AnyError, "attempts" | "failure" | "time">
): AnyError => ({ ...whose, state, streamName, position, globalPosition, type, attempts, time, failure })

const errorsOf = (reader: Reader, { survey }: Look): ReadonlyArray<AnyError> => {
  const whose = whoseOf(reader)
  const running = reader.runs.flatMap(({ run: { status } }) => [
    ...status.stuck.map(({ attempts, failure, message, since }) =>
      errorOf(whose, "retrying", message, { attempts, failure, time: since })
    ),
    ...Option.toArray(status.lastFailure).map((one) => errorOf(whose, "failed", one.message, one))
  ])
  const parked = survey.parked.filter(({ owner }) =>
    owner.id === reader.reader && (reader.kind === "process" || owner.category === reader.category)
  ).flatMap(({ message }) =>
    Option.toArray(message.failure).map((failure) =>
      errorOf(whose, "parked", message, { attempts: message.attempts, failure, time: message.time })
    )
  )
  // What is parked has failed before, and is told once.
  const isParked = new Set(parked.map(({ globalPosition }) => globalPosition))
  return [...parked, ...running.filter(({ globalPosition }) => !isParked.has(globalPosition))]
}

/** What a look has seen, before it is known who asks. */
export interface Summary {
  readonly readers: ReadonlyArray<Seen<typeof NowReader.Type>>
  readonly attention: ReadonlyArray<Seen<AnyAttention>>
  readonly errors: ReadonlyArray<Seen<AnyError>>
}

/** Notes the last failure of each reader that runs, so that it can still be told when it has stopped. Those of readers that are gone go. */
export const noteFailures = (
  readers: ReadonlyArray<Reader>,
  before: ReadonlyMap<string, LastFailure>
): ReadonlyMap<string, LastFailure> =>
  new Map(
    readers.flatMap((reader) => {
      const key = keyOf(reader)
      const failures = reader.runs.flatMap(({ run }) => Option.toArray(run.status.lastFailure))
      const last = failures.toSorted((a, b) => DateTime.Order(a.time, b.time)).at(-1) ?? before.get(key)
      return last === undefined ? [] : [[key, last] as const]
    })
  )

/** How many errors are shown. */
const shownErrors = 20

export const summarize = (
  look: Look,
  readers: ReadonlyArray<Reader>,
  failures: ReadonlyMap<string, LastFailure>
): Summary => {
  const attention = [
    ...readers.flatMap((reader) =>
      attentionOf(reader, look, failures).map((shown): Seen<AnyAttention> => ({ shown, needs: reader.needs }))
    ),
    ...silentOf(look.runners)
  ]
  return {
    readers: readers.map(shownReader),
    attention: attention.toSorted((a, b) => order.indexOf(a.shown.what) - order.indexOf(b.shown.what)),
    errors: readers.flatMap((reader) =>
      errorsOf(reader, look).map((shown): Seen<AnyError> => ({ shown, needs: reader.needs }))
    ).toSorted((a, b) => DateTime.Order(b.shown.time, a.shown.time))
  }
}

/** The first errors of those that a sender may see. */
export const firstErrors = <A>(errors: ReadonlyArray<A>): ReadonlyArray<A> => errors.slice(0, shownErrors)
