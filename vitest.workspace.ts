import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Of two cores Vitest would use one, and many tests wait for a server or a process rather than for a core.
    maxWorkers: 2,
    // Only what hangs meets these, also on a machine that has other work to do: no test may pass or fail by how busy it is. What
    // waits for something gives up earlier, and says what it was (test/support/Until.ts).
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 600_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
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
