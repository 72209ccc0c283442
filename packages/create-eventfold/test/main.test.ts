/** What `npm create eventfold` makes of a folder. That the project works is tested in test/packages. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "create-eventfold-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const create = (args: ReadonlyArray<string>, agent?: string) =>
  spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, npm_config_user_agent: agent }
  })

describe("create-eventfold", () => {
  it("makes a project that has its folder's name and the versions of this package", () => {
    const { status, stderr, stdout } = create(["My Parcels"], "pnpm/12.0.0 npm/? node/v24")
    assert.strictEqual(stderr, "")
    assert.strictEqual(status, 0)
    assert.include(stdout, "cd My Parcels\n  pnpm install\n  pnpm test\n  pnpm start")
    const made = join(folder, "My Parcels")
    assert.includeMembers(readdirSync(made), [".gitignore", "package.json", "src", "test", "tsconfig.json"])
    const manifest = JSON.parse(readFileSync(join(made, "package.json"), "utf8"))
    assert.strictEqual(manifest.name, "my-parcels")
    assert.strictEqual(manifest.dependencies.eventfold, "^0.0.0")
    assert.notInclude(JSON.stringify(manifest), "EVENTFOLD")
  })

  it("leaves a folder alone that has something in it", () => {
    writeFileSync(join(folder, "kept.txt"), "")
    const { status, stderr } = create(["."])
    assert.strictEqual(status, 1)
    assert.include(stderr, "the folder . is not empty")
    assert.notInclude(readdirSync(folder), "package.json")
  })

  it("says how it is used when it is used otherwise", () => {
    assert.include(create(["--help"]).stdout, "usage: npm create eventfold@latest [FOLDER]")
    for (const args of [["--wrong"], ["one", "two"]]) {
      const { status, stderr } = create(args)
      assert.strictEqual(status, 2)
      assert.include(stderr, "usage:")
    }
  })
})
