import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The files that take longest. On a fresh clone Vitest knows only sizes, by which some of them would come last. */
const longest = [
  "test/page/page.test.ts",
  "test/interop/stock.test.ts",
  "examples/bank-account/test/main.test.ts",
  "examples/order-fulfilment/test/main.test.ts",
  "test/conformance/postgres.test.ts",
  "test/conformance/sqlReadModels.test.ts",
  "test/cluster/run.test.ts",
  "test/postgres/readModelFaults.test.ts",
  "test/cli/process.test.ts",
  "test/http/live.test.ts",
  "test/pglite/folder.test.ts",
  "test/chaos/run.test.ts",
  "test/conformance/pgbouncer.test.ts",
  "test/conformance/pglite.test.ts",
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
    // More than a machine of two cores has, because many tests wait for a server, a process or a disk rather than for a core.
    maxWorkers: 3,
    // Only what hangs meets these, also on a machine that has other work to do: no test may pass or fail by how busy it is. What
    // waits for something gives up earlier, and says what it was (test/support/Until.ts).
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 600_000,
    sequence: { sequencer: LongestFirst },
    // Hundreds of the processes that tests start run the same modules: each of them is compiled once for all.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // A worker loads the modules once for all of its files, which change nothing that another file could see.
          isolate: false,
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
      { extends: true, test: { name: "packages", include: ["test/packages/**/*.test.ts"] } }
    ]
  }
})
