import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Program from "@eventfold/example-command-line/Program"
import { Effect, FileSystem, Schema, Stream } from "effect"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import * as Repo from "./support/repository.ts"

const program = Program.make(fileURLToPath(new URL("../src/serve.ts", import.meta.url)))

/** The history of two commits. */
const repository = Effect.tap(Repo.empty(), (path) =>
  Repo.importCommits(path, [
    Repo.commit([Repo.write("a", "1"), Repo.write("b", "1")]),
    Repo.commit([Repo.remove("a")])
  ]))

const Page = Schema.fromJsonString(Schema.Struct({ messages: Schema.Array(Schema.Struct({ type: Schema.String })) }))

const get = (url: string) => Effect.promise(() => fetch(url).then((answer) => answer.text()))

it.layer(NodeServices.layer, { excludeTestServices: true })("the demo over HTTP", (it) => {
  it.effect("serves the history at the address that it prints, also what the folder has, until Ctrl-C", () =>
    Effect.gen(function*() {
      const [folder, path] = [yield* Program.temporaryFolder, yield* repository]
      for (const news of ["new commits: 2, new messages: 3", "new commits: 0, new messages: 0"]) {
        const child = yield* program.spawn(folder, [path, "--port", "0"])
        const lines = child.stdout.pipe(Stream.decodeText, Stream.splitLines)
        let url = ""
        yield* Stream.runForEach(lines, (line) =>
          Effect.gen(function*() {
            url ||= /^http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? ""
            // It comes last: the history is there then.
            if (!line.startsWith("new commits")) return
            assert.strictEqual(line, news)
            const { messages } = yield* Schema.decodeEffect(Page)(yield* get(`${url}/categories/file/messages`))
            assert.deepStrictEqual(messages.map(({ type }) => type), ["Added", "Deleted", "Added"])
            // A live answer is open as it ends.
            yield* Effect.promise(() => fetch(`${url}/live`))
            yield* child.kill({ killSignal: "SIGINT" })
          }))
        assert.notStrictEqual(url, "")
        assert.strictEqual(Number(yield* child.exitCode), 0)
      }
    }).pipe(Effect.scoped))

  it.effect("says in one line that the port is taken", () =>
    Effect.gen(function*() {
      const path = yield* repository
      const other = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const address = other.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const folder = yield* Program.temporaryFolder
      const { code, stderr } = yield* program.run(folder, [path, "--store", "memory", "--port", String(port)])
      assert.strictEqual(code, 1)
      assert.match(stderr, new RegExp(`^error: port ${port} can't be listened on [^\n]+ --port\n$`))
      assert.deepStrictEqual(yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(folder)), [])
    }).pipe(Effect.scoped))
})
