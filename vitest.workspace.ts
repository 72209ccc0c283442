import { join } from "node:path"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // More than a machine of two cores has, because many tests wait for a server, a process or a disk rather than for a core.
    maxWorkers: 3,
    // Only what hangs meets these, also on a machine that has other work to do: no test may pass or fail by how busy it is. What
    // waits for something gives up earlier, and says what it was (test/support/Until.ts).
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 600_000,
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
          exclude: ["test/benchmarks/**", "test/chaos/test/**", "**/node_modules/**"],
          globalSetup: ["test/support/globalSetup.ts"]
        }
      }
    ]
  }
})
