#!/usr/bin/env bash
# effect/cli of effect 4.1.0: completion scripts leave out the flags of Command.withGlobalFlags, and the built-in ones.
#
# One would guess that --completions prints a script that completes every flag which --help lists. Flags of a command and those of
# withSharedFlags are in it. Those of withGlobalFlags, which every command takes and every help page shows, are not: --out and
# --help are never completed.
#
# Seen on 2026-11-29 with effect 4.1.0:
#   --from, of the command: in the help true, in the script true
#   --near, shared: in the help true, in the script true
#   --out, global: in the help true, in the script false
#   --help, built in: in the help true, in the script false
#
# What it does to users: the flags that they need most, such as the one that names the database, are those that don't complete.
# Make the script by hand: Completions.fromCommand of the root, with the flags of Completions.fromCommand of a command that
# has the global flags added to each descriptor, and Completions.generate.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/platform-node@4.1.0 > /dev/null

cat > completions.mjs <<'JS'
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect } from "effect"
import { Command, Flag, GlobalFlag } from "effect/cli"

const out = GlobalFlag.Setting("out")({ flag: Flag.String("out").pipe(Flag.withDefault("table")) })
const read = Command.make("read", { from: Flag.Int("from").pipe(Flag.withDefault(0)) }, () => Effect.void)
const app = Command.make("app").pipe(
  Command.withSharedFlags({ near: Flag.String("near").pipe(Flag.withDefault("")) }),
  Command.withSubcommands([read]),
  Command.withGlobalFlags([out])
)
const printed = async (args) => {
  const lines = []
  const log = { ...globalThis.console, log: (...parts) => void lines.push(parts.join(" ")) }
  await Effect.runPromise(
    Command.runWith(app, { version: "1.0.0" })(args).pipe(
      Effect.provideService(Console.Console, log),
      Effect.provide(NodeServices.layer)
    )
  )
  return lines.join("\n")
}
const help = await printed(["read", "--help"])
const script = await printed(["--completions", "bash"])
for (const [flag, kind] of [["from", "of the command"], ["near", "shared"], ["out", "global"], ["help", "built in"]]) {
  console.log(`--${flag}, ${kind}: in the help ${help.includes(`--${flag}`)}, in the script ${script.includes(`--${flag}`)}`)
}
JS
node completions.mjs | tee seen

diff seen - <<'EXPECTED'
--from, of the command: in the help true, in the script true
--near, shared: in the help true, in the script true
--out, global: in the help true, in the script false
--help, built in: in the help true, in the script false
EXPECTED
echo "as on 2026-11-29"
