/**
 * Holds the order of the rooms inside the libraries: the folders of `src/internal`. A room uses only rooms below it, directly
 * and by way of any other module, so that there is no circle and no arrow back up.
 */
import { assert, describe, it } from "@effect/vitest"
import { dirname, join, sep } from "node:path"
import { importsOf, modules } from "./Imports.ts"

/** For each room of a package the rooms that it may use. */
type Plan = Readonly<Record<string, ReadonlyArray<string>>>

const plans: Readonly<Record<string, Plan>> = {
  "packages/eventfold": {
    runtime: [],
    store: ["runtime"],
    archive: ["runtime", "store"],
    category: ["runtime", "store"],
    entity: ["runtime", "store", "category"],
    processor: ["runtime", "store", "category"],
    parking: ["runtime", "store", "category", "entity", "processor"],
    consumer: ["runtime", "store", "category", "entity", "processor", "parking"],
    readModel: ["runtime", "store", "category", "processor"],
    process: ["runtime", "store", "category", "entity", "processor", "parking", "consumer"],
    observe: ["runtime", "store", "category", "entity", "processor", "parking", "consumer", "readModel", "process"]
  },
  "packages/postgres": {
    client: [],
    coordination: ["client"],
    readAll: ["client"],
    readModel: ["client"],
    archive: ["client", "coordination"],
    verify: ["client"],
    store: ["client", "coordination", "readAll", "readModel", "archive", "verify"],
    stock: ["client", "coordination", "readAll", "readModel", "archive", "verify", "store"],
    routed: [],
    replica: ["client", "coordination", "readAll", "readModel", "archive", "verify", "store"],
    diagnosis: ["client"]
  },
  "packages/cluster": {
    placement: [],
    machines: [],
    commands: []
  },
  "packages/http": {
    api: [],
    problems: ["api"],
    limits: ["api", "problems"],
    authentication: ["api", "problems", "limits"],
    messages: ["api", "problems", "limits", "authentication"],
    live: ["api", "problems", "limits", "authentication", "messages"],
    messagestore: ["api", "problems", "limits", "authentication"],
    observe: ["api", "problems", "limits", "authentication", "messages"],
    now: ["api", "problems", "limits", "authentication", "messages", "observe"],
    system: ["api", "problems", "limits", "authentication"],
    page: ["api", "problems"],
    server: [
      "api",
      "problems",
      "limits",
      "authentication",
      "messages",
      "live",
      "messagestore",
      "observe",
      "now",
      "system"
    ]
  },
  "packages/cli": {
    failures: [],
    output: ["failures"],
    connection: ["failures", "output"],
    application: ["failures", "output", "connection"],
    commands: ["failures", "output", "connection", "application"]
  },
  "packages/testing": {
    report: [],
    clock: [],
    spec: ["report"],
    laws: ["report", "spec"],
    scenario: ["report", "clock", "spec"],
    messageStoreSuite: [],
    readModelSuite: ["messageStoreSuite"]
  }
}

describe.each(Object.entries(plans))("%s", (folder, plan) => {
  const source = join(folder, "src")
  const internal = join(source, "internal") + sep
  const files = modules(source)
  const imports = new Map(
    files.map((file) => [
      file,
      importsOf(file).filter(({ specifier }) => specifier.startsWith(".")).map(({ specifier }) =>
        join(dirname(file), specifier)
      )
    ])
  )
  const roomOf = (file: string): string | undefined =>
    file.startsWith(internal) ? file.slice(internal.length).split(sep)[0] : undefined

  /** The shortest ways from a module to all modules that it uses: each as the modules on it. */
  const waysFrom = (file: string): ReadonlyArray<ReadonlyArray<string>> => {
    const ways = new Map<string, ReadonlyArray<string>>([[file, [file]]])
    // A map also goes through what is added on the way.
    for (const [end, way] of ways) {
      for (const next of imports.get(end) ?? []) if (!ways.has(next)) ways.set(next, [...way, next])
    }
    return [...ways.values()]
  }

  it("has a room for each internal module, and no other room in its plan", () => {
    const rooms = new Set(files.map(roomOf).filter((room) => room !== undefined))
    assert.deepStrictEqual([...rooms].toSorted(), Object.keys(plan).toSorted())
  })

  it("plans no room above another and below it at once", () => {
    for (const [room, below] of Object.entries(plan)) {
      for (const other of below) {
        assert.notInclude(plan[other] ?? [], room)
        assert.includeMembers([...below], [...(plan[other] ?? [])], `${room} uses ${other}, which may use more`)
      }
    }
  })

  it.each(Object.entries(plan))("%s uses only the rooms below it", (room, below) => {
    const allowed = new Set([room, ...below])
    const wrong = files.filter((file) => roomOf(file) === room).flatMap(waysFrom).filter((way) => {
      const end = roomOf(way.at(-1) ?? "")
      return end !== undefined && !allowed.has(end)
    })
    assert.deepStrictEqual(wrong.map((way) => way.join(" → ")), [])
  })
})
