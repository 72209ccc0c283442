/**
 * The oracle finds each kind of fault in evidence that has one, and none in evidence that has none.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Oracle from "../Oracle.ts"

const given = (stream: string, op: string, n: number): Oracle.Given => ({
  stream,
  type: "Noted",
  data: { op, n, text: "ä" }
})

const recorded = (message: Oracle.Given, position: number, globalPosition: number): Oracle.Recorded => ({
  ...message,
  // As jsonb orders the keys.
  data: Object.fromEntries(Object.entries(message.data ?? {}).toReversed()),
  id: `id ${globalPosition}`,
  position,
  globalPosition
})

const first = [given("note-1", "a", 0), given("note-1", "a", 1)]
const second = [given("note-1", "b", 0), given("account-1", "b", 1)]
const inDoubt = [given("note-2", "c", 0)]

const log: ReadonlyArray<Oracle.Recorded> = [
  recorded(given("note-1", "a", 0), 0, 1),
  recorded(given("note-1", "a", 1), 1, 2),
  recorded(given("note-1", "b", 0), 2, 4),
  recorded(given("account-1", "b", 1), 0, 5),
  { id: "id 7", stream: "billing-1", type: "Billed", data: { of: "b/1" }, position: 0, globalPosition: 7 }
]

const handledBy = (consumer: string, message: Oracle.Recorded, at: number): Oracle.Handled => ({
  consumer,
  stream: message.stream,
  position: message.position,
  id: message.id,
  at: BigInt(at)
})

const right: Oracle.Evidence = {
  planned: [{ op: "a", messages: first }, { op: "b", messages: second }, { op: "c", messages: inDoubt }],
  acknowledged: [
    { op: "a", ends: [{ stream: "note-1", position: 1 }] },
    { op: "b", ends: [{ stream: "note-1", position: 2 }, { stream: "account-1", position: 0 }] }
  ],
  written: ["note", "account"],
  log,
  before: new Map(),
  consumers: [{ name: "reader", categories: ["note"] }],
  // A worker was killed after the second message and before its checkpoint.
  handled: log.slice(0, 2).map((message, i) => handledBy("reader", message, i))
    .concat(log.slice(0, 3).map((message, i) => handledBy("reader", message, 10 + i))),
  reactions: [{
    name: "Billed",
    causes: new Map([["billing-1", ["b/1"]]]),
    effects: new Map([["billing-1", ["b/1"]]])
  }],
  parked: [],
  tables: [{ name: "notes", rows: ["note-1 3"], expected: ["note-1 3"] }],
  unexpected: []
}

/** The kinds of violations of evidence that differs in some parts from what is right. */
const kindsOf = (change: Partial<Oracle.Evidence>): ReadonlyArray<Oracle.Kind> =>
  Oracle.judge({ ...right, ...change }).map(({ kind }) => kind)

const reactions = (causes: ReadonlyArray<string>, effects: ReadonlyArray<string>) =>
  kindsOf({
    reactions: [{
      name: "Billed",
      causes: new Map([["billing-1", causes]]),
      effects: new Map([["billing-1", effects]])
    }]
  })

const without = (index: number) => log.filter((_, i) => i !== index)

describe("the oracle", () => {
  it("finds nothing where nothing is wrong, whether an append in doubt is there or not", () => {
    assert.deepStrictEqual(Oracle.judge(right), [])
    const there = [...log, recorded(given("note-2", "c", 0), 0, 8)]
    assert.deepStrictEqual(
      Oracle.judge({
        ...right,
        log: there,
        handled: [...right.handled, ...there.slice(-1).map((message) => handledBy("reader", message, 20))]
      }),
      []
    )
  })

  it("knows the positions of streams that are older than the log given", () => {
    const later = log.map((message) => ({
      ...message,
      position: message.position + (message.stream === "note-1" ? 5 : 0)
    }))
    const before = new Map([["note-1", 5]])
    const facts = { acknowledged: [], handled: later.slice(0, 3).map((message, i) => handledBy("reader", message, i)) }
    assert.deepStrictEqual(kindsOf({ ...facts, log: later, before }), [])
    assert.deepStrictEqual(kindsOf({ ...facts, log: later }), ["gaps"])
  })

  it("finds an acknowledged message that is lost, at the end of its stream", () => {
    const reader = { handled: right.handled.filter(({ position }) => position < 2) }
    assert.deepStrictEqual(kindsOf({ ...reader, log: without(2) }), ["lost", "lost"])
    // With the whole of its operation.
    assert.deepStrictEqual(kindsOf({ ...reader, log: log.slice(0, 2), reactions: [] }), ["lost", "lost"])
  })

  it("finds one that is lost within its stream", () => {
    assert.includeMembers([...kindsOf({ log: without(1) })], ["lost", "gaps", "missed"])
  })

  it("finds one that is not where the append said", () => {
    assert.deepStrictEqual(
      kindsOf({ acknowledged: [{ op: "a", ends: [{ stream: "note-1", position: 2 }] }] }),
      ["lost"]
    )
  })

  it("finds a half of an operation that nobody was told about", () => {
    assert.deepStrictEqual(kindsOf({ acknowledged: [], log: without(3), reactions: [] }), ["lost"])
  })

  it("finds a message that is there twice", () => {
    const twice = { ...recorded(given("note-1", "b", 0), 3, 9), id: "another" }
    const handled = [...right.handled, handledBy("reader", twice, 30)]
    assert.deepStrictEqual(kindsOf({ log: [...log, twice], handled }), ["wrong"])
  })

  it("finds content that no writer has given, and ids that are taken", () => {
    const changed = log.map((message, i) => i === 0 ? { ...message, data: { op: "a", n: 0, text: "a" } } : message)
    assert.deepStrictEqual(kindsOf({ log: changed }), ["wrong", "lost", "lost"])
    assert.include(kindsOf({ log: log.map((message) => ({ ...message, id: "id 1" })) }), "wrong")
  })

  it("finds gaps, and positions that go back", () => {
    const gap = log.map((message, i) => i === 3 ? { ...message, position: 1 } : message)
    assert.deepStrictEqual(kindsOf({ acknowledged: [], log: gap }), ["gaps"])
    const back = log.map((message, i) => i === 4 ? { ...message, globalPosition: 5 } : message)
    assert.deepStrictEqual(kindsOf({ log: back }), ["gaps"])
  })

  it("finds what a consumer left out: a checkpoint that is written before the handler has ended", () => {
    assert.deepStrictEqual(kindsOf({ handled: right.handled.filter(({ position }) => position !== 1) }), ["missed"])
  })

  it("finds messages that were handled out of order, though each was handled", () => {
    const handled = log.slice(0, 3).map((message, i) => handledBy("reader", message, [0, 2, 1][i] ?? 0))
    assert.deepStrictEqual(kindsOf({ handled }), ["out of order"])
  })

  it("finds that a consumer has seen what is not there any more, or something else", () => {
    const [gone] = [recorded(given("note-3", "d", 0), 0, 6)]
    assert.deepStrictEqual(kindsOf({ handled: [...right.handled, handledBy("reader", gone, 40)] }), ["missed"])
    const other = log.slice(0, 3).map(({ id, position, stream }, i) => ({
      consumer: "reader",
      stream,
      position,
      id: position === 2 ? "id 3" : id,
      at: BigInt(i)
    }))
    assert.deepStrictEqual(kindsOf({ handled: other }), ["missed"])
  })

  it("finds reactions that are missing, there twice, without a cause, or out of order", () => {
    assert.deepStrictEqual(reactions(["a", "b"], ["a"]), ["reactions"])
    assert.deepStrictEqual(reactions(["a", "b"], ["a", "b", "b"]), ["reactions"])
    assert.deepStrictEqual(reactions([], ["a"]), ["reactions"])
    assert.deepStrictEqual(reactions(["a", "b"], ["b", "a"]), ["out of order"])
  })

  it("finds streams that stay parked, tables that differ, and what no fault explains", () => {
    assert.deepStrictEqual(kindsOf({ parked: ["note-1"] }), ["parked"])
    assert.deepStrictEqual(kindsOf({ tables: [{ name: "notes", rows: ["note-1 3"], expected: ["note-1 2"] }] }), [
      "differences"
    ])
    assert.deepStrictEqual(kindsOf({ tables: [{ name: "notes", rows: [], expected: ["note-1 2"] }] }), ["differences"])
    assert.deepStrictEqual(kindsOf({ tables: [{ name: "notes", rows: ["note-1 2"], expected: [] }] }), ["differences"])
    assert.deepStrictEqual(kindsOf({ unexpected: ["a worker has ended by itself"] }), ["unexpected"])
  })
})
