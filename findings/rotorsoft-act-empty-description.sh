#!/usr/bin/env bash
# @rotorsoft/act 1.31.26: it reads the package.json of the working directory, and refuses one without an author or a description.
#
# One would guess that a library has nothing to do with the manifest of the program, and that what `npm init --yes` writes suits
# any program: it has an empty description and an empty author. The library takes the manifest as a part of its configuration and
# wants both to be texts of one character or more. The error comes with the first thing that is logged, such as the first event.
#
# Seen on 2026-11-29 with @rotorsoft/act 1.31.26 and zod 4.6.7:
#   as npm init --yes makes it: ERR_VALIDATION: Invalid config payload
#   with a description and an author: committed
#
# What it does to users: the program works in one folder and not in another, such as an image without the manifest's texts.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @rotorsoft/act@1.31.26 zod@4.6.7 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"
node -e 'const m = require("./package.json"); require("fs").writeFileSync("package.json", JSON.stringify({ ...m, author: "", description: "" }))'

cat > first.mjs <<'JS'
import { act, state } from "@rotorsoft/act"
import { z } from "zod"

const Counter = state({ Counter: z.object({ count: z.number() }) })
  .init(() => ({ count: 0 }))
  .emits({ Counted: z.object({ by: z.number() }) })
  .patch({ Counted: ({ data }, { count }) => ({ count: count + data.by }) })
  .on({ count: z.object({ by: z.number() }) })
  .emit(({ by }) => ["Counted", { by }])
  .build()
await act().withState(Counter).build().do("count", { stream: "c1", actor: { id: "1", name: "user" } }, { by: 1 })
console.log("committed")
process.exit()
JS
run() { LOG_LEVEL=fatal node first.mjs 2>&1 | grep -E -m 1 "^ERR_VALIDATION|^committed"; }
echo "as npm init --yes makes it: $(run)" | tee seen
npm pkg set description="a counter" author="the author"
echo "with a description and an author: $(run)" | tee -a seen

diff seen - <<'EXPECTED'
as npm init --yes makes it: ERR_VALIDATION: Invalid config payload
with a description and an author: committed
EXPECTED
echo "as on 2026-11-29"
