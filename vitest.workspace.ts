import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Of two cores Vitest would use one, and many tests wait for a server or a process rather than for a core.
    maxWorkers: 2,
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
          ],
          // Properties take seconds on a machine that has other work to do.
          testTimeout: 30_000
        }
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/benchmarks/**", "test/chaos/test/**", "**/node_modules/**"],
          globalSetup: ["test/support/globalSetup.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000
        }
      }
    ]
  }
})
