import { readFileSync, statfsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { shortOrLong } from "./test/support/Form.ts"

/** The room that the tests need for their files, with much to spare, in bytes. */
const needed = shortOrLong(3, 8) * 2 ** 30

/** Whether a folder is a file system in memory that has room, in which programs may run. */
const isRoomyMemory = (folder: string): boolean => {
  try {
    const mount = readFileSync("/proc/mounts", "utf8").split("\n").findLast((line) => line.split(" ", 2)[1] === folder)
    const [, , type, options = ""] = mount?.split(" ") ?? []
    const { bavail, bsize } = statfsSync(folder)
    const room = Math.min(bavail * bsize, process.availableMemory() / 2)
    return type === "tmpfs" && !options.split(",").includes("noexec") && room >= needed
  } catch {
    return false
  }
}

const disk = tmpdir()

// Each test database is hundreds of files, which are made and soon removed: ext4 without a journal took 295 ms to make them, and
// memory takes 18. SIGKILL takes nothing from either, so that what the tests show of it is the same.
if (process.env["TMPDIR"] === undefined && isRoomyMemory("/dev/shm")) process.env["TMPDIR"] = "/dev/shm"

/** The files that take longest. On a fresh clone Vitest knows only sizes, by which some of them would come last. */
const longest = [
  "test/page/page.test.ts",
  "test/interop/stock.test.ts",
  "test/conformance/postgres.test.ts",
  "examples/order-fulfilment/test/main.test.ts",
  "test/conformance/sqlReadModels.test.ts",
  "test/cluster/run.test.ts",
  "test/postgres/newsWatch.test.ts",
  "test/pglite/folder.test.ts",
  "test/cli/process.test.ts",
  "test/postgres/silence.test.ts",
  "test/docs/examples.test.ts",
  "examples/bank-account/test/main.test.ts",
  "test/postgres/leases.test.ts",
  "test/upgrade/versions.test.ts",
  "test/conformance/pgbouncer.test.ts",
  "test/postgres/serverStates.test.ts",
  "test/conformance/pglite.test.ts",
  "test/logs/logs.test.ts",
  "test/postgres/runners.test.ts",
  "test/upgrade/uninstall.test.ts",
  "test/archive/archive.test.ts",
  "examples/git-history/test/main.test.ts"
].map((path) => join(import.meta.dirname, path))

const rank = ({ moduleId }: TestSpecification): number => {
  const at = longest.indexOf(moduleId)
  return at === -1 ? longest.length : at
}

/** Begins with the longest files, so that no worker is left with one of them when the others have nothing to do any more. */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    // Twice as many as a machine of two cores has, because many tests wait: for a time limit, a server or a process.
    maxWorkers: 4,
    // Only what hangs meets these, also on a machine that has other work to do: no test may pass or fail by how busy it is. What
    // waits for something gives up earlier, and says what it was (test/support/Until.ts).
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 600_000,
    // A worker loads and compiles the modules once for all of its files, which change nothing that another file could see.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Hundreds of the processes that tests start run the same modules: each of them is compiled once for all.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "packages/*/test/**/*.test.ts",
            "examples/*/test/**/*.test.ts",
            "site/test/**/*.test.ts",
            "test/benchmarks/test/**/*.test.ts",
            "test/chaos/test/**/*.test.ts"
          ]
        }
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/benchmarks/**", "test/chaos/test/**", "test/packages/**", "**/node_modules/**"],
          globalSetup: ["test/support/globalSetup.ts"]
        }
      },
      {
        extends: true,
        test: {
          name: "packages",
          include: ["test/packages/**/*.test.ts"],
          // Package managers link files from their stores, which are on a disk.
          env: { TMPDIR: disk }
        }
      }
    ]
  }
})
