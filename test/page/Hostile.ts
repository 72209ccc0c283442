/**
 * Messages whose every field tries to be markup, a script, an address, or to break the layout; and a long stream.
 */
import type { Message } from "eventfold/Message"

const script = `<script>window.hacked = 1</script>`
const image = `"><img src=x onerror="window.hacked = 1">`
const turned = "abc\u202Egnp.exe\u200B\u0007"

export interface Hostile extends Message {
  readonly streamName: string
}

export const hostile: ReadonlyArray<Hostile> = [
  {
    streamName: `<b onclick=alert(1)>-${image}`,
    type: script,
    data: { [image]: script, nested: [{ [script]: image }] }
  },
  {
    streamName: "hostile-a/b?c=d#e;f%2F..\\'\"`${7*7}{{7*7}}",
    type: `javascript:window.hacked=1`,
    data: {
      href: "javascript:window.hacked=1",
      url: "https://example.com/",
      template: "{{constructor.constructor('window.hacked=1')()}}"
    },
    metadata: {
      correlationStreamName: image,
      causationMessageStreamName: script,
      causationMessageGlobalPosition: 1,
      [script]: image
    }
  },
  { streamName: `hostile-${turned}`, type: turned, data: turned, metadata: { note: turned } },
  { streamName: `hostile-${"long".repeat(60)}`, type: "VeryLong".repeat(20), data: { text: "no-spaces".repeat(800) } },
  {
    streamName: "hostile-json",
    type: "Proto",
    data: { ["__proto__"]: { polluted: true }, constructor: 1, toString: null, hasOwnProperty: [] }
  },
  { streamName: "hostile-json", type: "Nested", data: deep(60) },
  { streamName: "hostile-json", type: "Wide", data: Array.from({ length: 1_500 }, (_, index) => index) },
  { streamName: "hostile-json", type: "Numbers", data: [0, -0.5, 1e21, 9_007_199_254_740_991, 1.5e-9] },
  { streamName: "hostile-json", type: "Empty", data: [{}, [], "", null, true] },
  { streamName: "hostile", type: "NoId", data: null },
  { streamName: "hostile-emoji👩‍👩‍👧", type: "Ünïcødé", data: "é e\u0301 👩‍👩‍👧 \u{1F1E9}\u{1F1EA}" }
]

function deep(levels: number): Message["data"] {
  return levels === 0 ? "here" : { level: deep(levels - 1) }
}

/** Readings of a meter. */
export const meter = (from: number, count: number): ReadonlyArray<Message> =>
  Array.from(
    { length: count },
    (_, index) => ({ type: "Read", data: { watts: (from + index) * 7 % 3_000, at: from + index } })
  )
