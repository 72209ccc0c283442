/**
 * Judges a round from what was written down outside of the database and from what the database has: pure, so that tests can
 * give it evidence of each kind of fault.
 */

/** A message as an operation gave it. */
export interface Given {
  readonly stream: string
  readonly type: string
  readonly data: unknown
}

/** What a writer was about to do: all of it is recorded, or nothing. */
export interface Planned {
  readonly op: string
  readonly messages: ReadonlyArray<Given>
}

export interface Acknowledged {
  readonly op: string
  /** The position of the operation's last message in each of its streams. */
  readonly ends: ReadonlyArray<{ readonly stream: string; readonly position: number }>
}

export interface Recorded extends Given {
  readonly id: string
  readonly position: number
  readonly globalPosition: number
}

/** That a handler has ended. */
export interface Handled {
  readonly consumer: string
  readonly stream: string
  readonly position: number
  readonly id: string
  readonly at: bigint
}

/** What a consumer is to handle. */
export interface Consumer {
  readonly name: string
  readonly categories: ReadonlyArray<string>
}

/** The rows of a read model's table in their order, and what they have to be. */
export interface Table {
  readonly name: string
  readonly rows: ReadonlyArray<string>
  readonly expected: ReadonlyArray<string>
}

/** A reaction that has to follow exactly once, and in the order of its causes, in the stream that belongs to the cause's. */
export interface Reaction {
  readonly name: string
  /** The causes, as keys of their reactions, by the stream that the reactions are in. */
  readonly causes: ReadonlyMap<string, ReadonlyArray<string>>
  readonly effects: ReadonlyMap<string, ReadonlyArray<string>>
}

export interface Evidence {
  readonly planned: ReadonlyArray<Planned>
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** The categories that only the writers write. */
  readonly written: ReadonlyArray<string>
  /** By global position. */
  readonly log: ReadonlyArray<Recorded>
  /** How many messages a stream had before the log given, where it had some. */
  readonly before: ReadonlyMap<string, number>
  readonly consumers: ReadonlyArray<Consumer>
  readonly handled: ReadonlyArray<Handled>
  readonly reactions: ReadonlyArray<Reaction>
  /** The streams that are still parked although their cause is mended. */
  readonly parked: ReadonlyArray<string>
  readonly tables: ReadonlyArray<Table>
  /** What has happened that no fault is a reason for: a worker that ended by itself, an append that was refused. */
  readonly unexpected: ReadonlyArray<string>
}

export const kinds = [
  /** An acknowledged message is not there, or not at its position, or only a part of an operation is. */
  "lost",
  /** A message is there twice, or nobody has written it, or it has other content. */
  "wrong",
  /** The positions of a stream are not 0, 1, 2, in the order of the global positions. */
  "gaps",
  /** A consumer has not handled a message, or handled one that is not there. */
  "missed",
  /** A consumer has handled a message before the one in front of it, or a reaction is out of order. */
  "out of order",
  /** A reaction is missing, there twice, or without a cause. */
  "reactions",
  "parked",
  /** A read model is not what the log makes of it. */
  "differences",
  "unexpected"
] as const

export type Kind = typeof kinds[number]

export interface Violation {
  readonly kind: Kind
  readonly what: string
}

export const categoryOf = (stream: string): string => stream.slice(0, stream.indexOf("-"))

/** JSON with its keys in order, as jsonb and a program may differ in that. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => a < b ? -1 : 1))
      : part)

const keyOf = ({ data, stream, type }: Given): string => `${stream} ${type} ${canonical(data)}`

const show = ({ position, stream }: Pick<Recorded, "position" | "stream">): string => `${stream}/${position}`

/** All that is wrong. */
export const judge = (evidence: Evidence): ReadonlyArray<Violation> => [
  ...writes(evidence),
  ...positions(evidence),
  ...evidence.consumers.flatMap((consumer) => handling(consumer, evidence)),
  ...reactionsOf(evidence.reactions),
  ...evidence.parked.map((stream): Violation => ({ kind: "parked", what: `${stream} is still parked` })),
  ...evidence.tables.flatMap(difference),
  ...evidence.unexpected.map((what): Violation => ({ kind: "unexpected", what }))
]

/** Every message of the writers' data is unique, so its content tells whose it is. */
const writes = ({ acknowledged, log, planned, written }: Evidence): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  const recorded = Map.groupBy(log.filter(({ stream }) => written.includes(categoryOf(stream))), keyOf)
  const plans = new Map(planned.map((plan) => [plan.op, plan]))
  const known = new Set(planned.flatMap(({ messages }) => messages.map(keyOf)))
  for (const [key, messages] of recorded) {
    if (!known.has(key)) found.push({ kind: "wrong", what: `no writer has given ${key}` })
    if (messages.length > 1) found.push({ kind: "wrong", what: `${key} is there ${messages.length} times` })
  }
  for (const { messages, op } of planned) {
    const there = messages.filter((message) => recorded.has(keyOf(message))).length
    if (there > 0 && there < messages.length) {
      found.push({ kind: "lost", what: `${there} of the ${messages.length} messages of ${op} are there` })
    }
  }
  for (const { ends, op } of acknowledged) {
    const plan = plans.get(op)
    if (plan === undefined) {
      found.push({ kind: "wrong", what: `${op} was acknowledged and never planned` })
      continue
    }
    const missing = plan.messages.filter((message) => !recorded.has(keyOf(message)))
    for (const message of missing) found.push({ kind: "lost", what: `acknowledged and not there: ${keyOf(message)}` })
    if (missing.length > 0) continue
    for (const { position, stream } of ends) {
      const last = plan.messages.findLast((message) => message.stream === stream)
      const at = last === undefined ? undefined : recorded.get(keyOf(last))?.[0]?.position
      if (at !== position) {
        found.push({ kind: "lost", what: `${op} was acknowledged at ${stream}/${position} and is at ${at}` })
      }
    }
  }
  return found
}

const positions = ({ before: earlier, log }: Evidence): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  const next = new Map(earlier)
  let before = 0
  const ids = new Set<string>()
  for (const message of log) {
    const { globalPosition, id, position, stream } = message
    const expected = next.get(stream) ?? 0
    if (position !== expected) found.push({ kind: "gaps", what: `${show(message)} follows ${stream}/${expected - 1}` })
    next.set(stream, position + 1)
    if (globalPosition <= before) {
      found.push({ kind: "gaps", what: `${show(message)} is at ${globalPosition} after ${before}` })
    }
    before = globalPosition
    if (ids.has(id)) found.push({ kind: "wrong", what: `the id ${id} of ${show(message)} is taken` })
    ids.add(id)
  }
  return found
}

/**
 * At least once, and in order: a message is handled for the first time after the one in front of it was. It may be handled again
 * later, in any process.
 */
const handling = (consumer: Consumer, { handled, log }: Evidence): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  const first = new Map<string, Handled>()
  for (const one of handled) {
    if (one.consumer !== consumer.name) continue
    const earlier = first.get(show(one))
    if (earlier === undefined || one.at < earlier.at) first.set(show(one), one)
    if (earlier !== undefined && earlier.id !== one.id) {
      found.push({ kind: "missed", what: `${consumer.name} has handled two messages at ${show(one)}` })
    }
  }
  const before = new Map<string, bigint>()
  for (const message of log) {
    if (!consumer.categories.includes(categoryOf(message.stream))) continue
    const one = first.get(show(message))
    first.delete(show(message))
    if (one === undefined) {
      found.push({ kind: "missed", what: `${consumer.name} has not handled ${show(message)}` })
      continue
    }
    if (one.id !== message.id) {
      found.push({
        kind: "missed",
        what: `${consumer.name} has handled ${one.id} at ${show(message)}, where ${message.id} is`
      })
    }
    const earlier = before.get(message.stream)
    if (earlier !== undefined && one.at <= earlier) {
      found.push({
        kind: "out of order",
        what: `${consumer.name} has handled ${show(message)} before the message in front`
      })
    }
    before.set(message.stream, one.at)
  }
  for (const what of first.keys()) {
    found.push({ kind: "missed", what: `${consumer.name} has handled ${what}, which is not there` })
  }
  return found
}

const counts = (values: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counted = new Map<string, number>()
  for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1)
  return counted
}

/** What is wrong with reactions. */
export const reactionsOf = (all: ReadonlyArray<Reaction>): ReadonlyArray<Violation> => all.flatMap(reactions)

const reactions = ({ causes, effects, name }: Reaction): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  for (const stream of new Set([...causes.keys(), ...effects.keys()])) {
    const [due, there] = [causes.get(stream) ?? [], effects.get(stream) ?? []]
    const [expected, actual] = [counts(due), counts(there)]
    for (const cause of new Set([...due, ...there])) {
      const [most, is] = [expected.get(cause) ?? 0, actual.get(cause) ?? 0]
      if (is !== most) {
        found.push({ kind: "reactions", what: `${name} ${cause} is in ${stream} ${is} times, and not ${most}` })
      }
    }
    if (due.length === there.length && due.some((cause, index) => cause !== there[index])) {
      found.push({ kind: "out of order", what: `${name} in ${stream}: ${there.join(" ")} instead of ${due.join(" ")}` })
    }
  }
  return found
}

/** The first difference between a table and what the log makes of it. */
export const difference = ({ expected, name, rows }: Table): ReadonlyArray<Violation> => {
  const index = Array.from({ length: Math.max(rows.length, expected.length) }, (_, i) => i)
    .find((i) => rows[i] !== expected[i])
  return index === undefined ? [] : [{
    kind: "differences",
    what: `row ${index} of ${name} is ${rows[index] ?? "missing"}, and not ${expected[index] ?? "there"}`
      + ` (${rows.length} rows, ${expected.length} expected)`
  }]
}
