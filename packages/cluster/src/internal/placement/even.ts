import { createHash } from "node:crypto"

/** A number that all machines find alike for the same texts. */
const rank = (...texts: ReadonlyArray<string>): number =>
  createHash("sha256").update(texts.join("\u0000")).digest().readUIntBE(0, 6)

/**
 * Who runs each part of a reader: so evenly that no machine has two more than another. All machines find the same, from the same
 * machines, whatever was before.
 *
 * Each part prefers machines in an order of its own. Those whose preference is strongest come first, until a machine has its share. So a
 * machine that comes takes its share from the others, and few parts move among those.
 */
export const ownersOf = (reader: string, parts: number, machines: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (machines.length === 0) return []
  const least = Math.floor(parts / machines.length)
  const withOneMore = new Set(
    machines.toSorted((a, b) => rank(reader, a) - rank(reader, b)).slice(0, parts % machines.length)
  )
  const left = new Map(machines.map((machine) => [machine, least + (withOneMore.has(machine) ? 1 : 0)]))
  const preferences = Array.from(
    { length: parts },
    (_, part) => machines.map((machine) => ({ part, machine, rank: rank(reader, `${part}`, machine) }))
  ).flat()
  const owners = new Map<number, string>()
  for (const { machine, part } of preferences.toSorted((a, b) => a.rank - b.rank)) {
    const room = left.get(machine) ?? 0
    if (room === 0 || owners.has(part)) continue
    owners.set(part, machine)
    left.set(machine, room - 1)
  }
  return Array.from({ length: parts }, (_, part) => owners.get(part) ?? "")
}
