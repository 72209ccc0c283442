/**
 * The faults of a round, by a seed: the same seed gives the same faults in the same order.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** The kinds of fault, and how often each is chosen. */
const weights = {
  "kill worker": 50,
  "kill server": 9,
  /** One process of the server, over which it ends all others and recovers. */
  "kill backend": 8,
  "kill standby": 5,
  /** The primary is killed, and the standby takes over. */
  "fail over": 5,
  "freeze worker": 6,
  "freeze server": 4,
  "freeze standby": 2,
  /** All connections of a worker. */
  "cut": 7,
  /** The next append of a worker, when the server has done it. */
  "cut reply": 7,
  /** The connections of a worker stay open, and nothing passes on them any more. */
  "silence": 4,
  /** The server ends the sessions of a worker. */
  "terminate": 4,
  /** SIGTERM. */
  "stop worker": 4,
  "fill disk": 3
} as const

export type Kind = keyof typeof weights

export const kinds: ReadonlyArray<Kind> = Object.keys(weights) as ReadonlyArray<Kind>

/** The kinds that end processes by SIGKILL. */
export const kills: ReadonlyArray<Kind> = ["kill worker", "kill server", "kill backend", "kill standby", "fail over"]

export interface Fault {
  readonly kind: Kind
  /** Which of the workers or of the server's processes, modulo their number. */
  readonly victim: number
  /** How long it lasts, where it does. */
  readonly millis: number
  /** The pause before the next one. */
  readonly pause: number
}

const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)

const kindAt = (at: number): Kind => {
  let rest = at
  for (const kind of kinds) {
    rest -= weights[kind]
    if (rest < 0) return kind
  }
  return "kill worker"
}

const fault: Effect.Effect<Fault> = Effect.gen(function*() {
  return {
    kind: kindAt(yield* Random.nextIntBetween(0, total)),
    victim: yield* Random.nextIntBetween(0, 1 << 20),
    // Mostly short, now and then longer than the time-outs of leases and statements.
    millis: Math.round(200 + 8_000 * (yield* Random.next) ** 4),
    pause: yield* Random.nextIntBetween(50, 500)
  }
})

/** The faults of a round. */
export const round = (seed: string, number: number, count: number): Effect.Effect<ReadonlyArray<Fault>> =>
  Effect.all(Array.from({ length: count }, () => fault)).pipe(Random.withSeed(`${seed}/${number}`))
