/**
 * What readers of everything conclude from their looks, in a model of a server: transactions take positions and end, and
 * several slow looks are under way at once.
 */
import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { type Known, learn, nothing } from "../src/internal/readAll/finality.ts"

const below = (end: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: end - 1 }))

/**
 * A step of a transaction or of a look. A look has four: it begins, sees the last message, sees the writers, and is learned
 * from. `session` is the transaction or look. `chance` makes a restart rare.
 */
const Event = Schema.Struct({
  does: Schema.Literals(["take", "take", "commit", "rollback", "prepare", "look", "look", "look", "look", "restart"]),
  session: below(4),
  chance: below(8)
})

interface Transaction {
  name: string
  readonly positions: Array<number>
  isPrepared: boolean
}

interface LookUnderWay {
  readonly from: number
  readonly before: Known
  last: number | undefined
  writers: ReadonlyArray<string> | undefined
}

it.prop(
  "no position that may still be written counts as final, and in the end every position does",
  { events: Schema.Array(Event).check(Schema.isMinLength(150), Schema.isMaxLength(300)) },
  ({ events }) => {
    let known = nothing
    let [position, last, run, names] = [0, 0, 0, 0]
    const sessions = new Map<number, Transaction>()
    const prepared = new Set<Transaction>()
    const looks = new Map<number, LookUnderWay>()

    const writers = () => [...sessions.values(), ...prepared].map(({ name }) => name)
    const commit = ({ positions }: Transaction) => {
      last = Math.max(last, ...positions)
    }
    const look = (
      seen: Required<Pick<LookUnderWay, "before" | "from">> & { last: number; writers: ReadonlyArray<string> }
    ) => {
      known = learn(known, seen.before, { last: seen.last, writers: seen.writers, run: String(run) }, seen.from)
      const open = [...sessions.values(), ...prepared].flatMap(({ positions }) => positions)
      assert.isAbove(Math.min(...open, Number.POSITIVE_INFINITY), known.final)
    }

    for (const event of events) {
      if (event.does === "look") {
        const found = looks.get(event.session)
        if (found === undefined) {
          const from = Math.max(1, known.final + 1 - event.chance)
          looks.set(event.session, { from, before: known, last: undefined, writers: undefined })
        } else if (found.last === undefined) {
          found.last = last
        } else if (found.writers === undefined) {
          found.writers = writers()
        } else {
          looks.delete(event.session)
          look({ ...found, last: found.last, writers: found.writers })
        }
      } else if (event.does === "restart") {
        if (event.chance > 1) continue
        // The sessions have ended, and prepared transactions come back under other names.
        sessions.clear()
        looks.clear()
        for (const transaction of prepared) {
          if (!transaction.name.startsWith("-1/")) transaction.name = `-1/${++names}`
        }
        if (event.session > 0) continue
        // Another server has taken over, without the end of the log.
        run++
        prepared.clear()
        position = last >> 1
        last = position
      } else {
        const open = sessions.get(event.session)
        if (event.does === "take") {
          const transaction = open ?? { name: `3/${++names}`, positions: [], isPrepared: false }
          transaction.positions.push(++position)
          sessions.set(event.session, transaction)
        } else if (open !== undefined) {
          sessions.delete(event.session)
          if (event.does === "prepare") prepared.add(open)
          else if (event.does === "commit") commit(open)
        } else {
          const [first] = prepared
          if (first === undefined) continue
          prepared.delete(first)
          if (event.does === "commit") commit(first)
        }
      }
    }

    sessions.forEach(commit)
    sessions.clear()
    prepared.forEach(commit)
    prepared.clear()
    look({ from: known.final + 1, before: known, last, writers: [] })
    assert.strictEqual(known.final, last)
  },
  { arbitrary: { runs: 60 } }
)

/** A look at whose beginning everything was known that is known now. */
const see = (known: Known, last: number, writers: ReadonlyArray<string>, from: number) =>
  learn(known, known, { last, writers, run: "1" }, from)

it("passes a gap when the writers have ended that were there when it was met, even if others have started since", () => {
  let known = see(nothing, 10, ["3/1", "4/1"], 8)
  known = see(known, 20, ["4/1", "5/1"], 8)
  assert.strictEqual(known.final, 0)
  known = see(known, 30, ["5/1", "6/1"], 8)
  assert.strictEqual(known.final, 10)
  // This reader has met a later gap.
  known = see(known, 40, ["6/1", "7/1"], 25)
  assert.strictEqual(known.final, 10)
  known = see(known, 50, ["7/1"], 25)
  assert.strictEqual(known.final, 30)
})

it("remembers the writers for a reader that has met a later gap, too", () => {
  let known = see(nothing, 10, ["3/1"], 8)
  known = see(known, 20, ["3/1", "4/1"], 15)
  known = see(known, 30, ["3/1", "5/1"], 15)
  known = see(known, 40, ["5/1", "6/1"], 15)
  assert.strictEqual(known.final, 20)
})

it("remembers no more than a few looks, however often readers are held back", () => {
  let known = nothing
  for (let last = 10; last < 1_000; last++) {
    known = learn(known, known, { last, writers: ["3/1", `4/${last}`], run: "1" }, last)
  }
  assert.isAtMost(known.noted.length, 8)
  assert.strictEqual(known.final, 0)
  known = learn(known, known, { last: 2_000, writers: ["5/1"], run: "1" }, 1_000)
  assert.isAtLeast(known.final, 10)
})

it("waits for a prepared transaction under the name that a restart has given it", () => {
  let known = see(nothing, 10, ["3/1"], 8)
  known = see(known, 20, ["-1/7", "4/1"], 8)
  known = see(known, 20, ["-1/7", "5/1"], 8)
  assert.strictEqual(known.final, 0)
  known = see(known, 20, ["5/1"], 8)
  assert.strictEqual(known.final, 10)
})
