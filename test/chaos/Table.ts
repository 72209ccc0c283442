/**
 * The table at the end of a run.
 */
import { killsIn, type Report } from "./Chaos.ts"
import * as Oracle from "./Oracle.ts"
import * as Plan from "./Plan.ts"

/** How many violations are told one by one. */
const most = 20

export const lines = (report: Report): ReadonlyArray<string> => {
  const { acknowledged, compared, done, folder, handled, messages, reactions, rounds, seed, violations } = report
  const rows: Array<readonly [string, string | number]> = [
    ["seed", seed],
    ["rounds", rounds],
    ["kills", killsIn(done)],
    ...Plan.kills.map((kind) => [`  ${kind}`, done.get(kind) ?? 0] as const),
    ...Plan.kinds.filter((kind) => !Plan.kills.includes(kind)).map((kind) =>
      [kind, kind === "fill disk" && !report.isBounded ? "left out" : done.get(kind) ?? 0] as const
    ),
    ["messages", messages],
    ["appends acknowledged", acknowledged],
    ["messages handled", handled],
    ["reactions", reactions],
    ["tables compared", compared],
    ...Oracle.kinds.map((kind) => [kind, violations.filter((one) => one.kind === kind).length] as const)
  ]
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}${value}`),
    ...violations.slice(0, most).map(({ kind, what }) => `${kind}: ${what}`),
    ...violations.length > most ? [`and ${violations.length - most} more`] : [],
    ...violations.length > 0 ? [`Seed ${seed}, round ${rounds}. Journals, logs and evidence are in ${folder}`] : []
  ]
}
