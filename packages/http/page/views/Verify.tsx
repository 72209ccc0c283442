/**
 * A check of everything that is stored: it runs as long as its view is open, and each finding says what to do.
 */
import type { VerifyFinding } from "../../src/NowApi.ts"
import type { Json } from "../data/api.ts"
import { post } from "../data/client.ts"
import type { Event } from "../data/feed.ts"
import { useRun } from "../data/progress.ts"
import { isAdmin } from "../data/sender.ts"
import { counted, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Failure } from "../parts/States.tsx"

type Found = Json<typeof VerifyFinding.Type>

interface Told {
  /** The first ones. */
  readonly findings: ReadonlyArray<Found>
  readonly count: number
  /** How many messages were looked at; nothing before the end. */
  readonly messages: number | undefined
}

/** A store that is broken may have a finding for each of its messages. */
const shown = 200

/** The API's own tests hold its events against its schemas. */
const next = (told: Told, { data, event }: Event): Told => {
  if (event === "finding") {
    const count = told.count + 1
    return { ...told, count, findings: count > shown ? told.findings : [...told.findings, data as Found] }
  }
  return event === "verified" ? { ...told, ...data as { readonly messages: number } } : told
}

const tones = { error: "badge bad", warning: "badge warn", note: "badge" } as const

const Row = ({ found: { finding, level, message, remedy } }: { readonly found: Found }) => (
  <tr>
    <td class="fit">
      <span class={tones[level]}>{level}</span>
    </td>
    <th scope="row">
      <Text>{message}</Text>
      {"streamName" in finding
        ? (
          <div>
            <StreamLink name={finding.streamName} />
          </div>
        )
        : null}
    </th>
    <td class="num">{"globalPosition" in finding ? <PositionLink isRow position={finding.globalPosition} /> : null}</td>
    <td class="why">
      <Text>{remedy}</Text>
    </td>
  </tr>
)

const summary = ({ count, messages }: Told): string =>
  `${counted(messages ?? 0, "message")} ${messages === 1 ? "was" : "were"} looked at: ${
    count === 0 ? "nothing is wrong." : `${counted(count, "finding")}.`
  }`

export const Verify = () => {
  const { begin, run, stop } = useRun<Told>()
  const isRunning = run !== undefined && !run.isOver
  const told = run?.told
  return (
    <section class="panel" aria-label="Verify">
      <div class="title">
        <h2>Verify</h2>
        {isAdmin.value === true
          ? isRunning
            ? <button type="button" class="small" onClick={stop}>Stop it</button>
            : (
              <button
                type="button"
                class="small"
                aria-keyshortcuts="v"
                data-does="check everything that is stored"
                onClick={() => begin(post("/store/verify", {}), { findings: [], count: 0, messages: undefined }, next)}
              >
                Check everything
              </button>
            )
          : null}
      </div>
      <p class="note" role="status">
        {told === undefined
          ? isAdmin.value === false
            ? "Looks at every message and at the schema. It needs a token with the scope admin."
            : "Looks at every message and at the schema, beside writers, and changes nothing. It takes about as long as to copy the table."
          : told.messages !== undefined
          ? summary(told)
          : isRunning
          ? `It looks at every message: ${counted(told.count, "finding")} so far. It runs as long as this view is open.`
          : `It was ended before it had seen everything: ${counted(told.count, "finding")} until then.`}
      </p>
      {run?.problem === undefined ? null : <Failure problem={run.problem} />}
      {told === undefined || told.findings.length === 0 ? null : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Level</th>
                <th scope="col">Finding</th>
                <th scope="col" class="num">Position</th>
                <th scope="col">What to do</th>
              </tr>
            </thead>
            <tbody>{told.findings.map((found) => <Row key={found.message} found={found} />)}</tbody>
          </table>
        </div>
      )}
      {told === undefined || told.count <= shown ? null : (
        <p class="note">
          These are the first {shown}: <code>eventfold verify</code> prints all.
        </p>
      )}
    </section>
  )
}
