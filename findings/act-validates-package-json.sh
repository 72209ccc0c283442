#!/usr/bin/env bash
# @rotorsoft/act 1.31.26: a program that uses it does not start in a folder whose package.json has an empty description or author.
#
# One would guess that a library reads its own configuration and leaves the application's package.json alone. But the first log line of Act
# asks for its config, which reads package.json of the current folder and validates it by a schema in which `description` and `author`,
# where they are there, must not be empty. `npm init --yes` writes both as "". So the first program in a new folder dies with
# "Invalid config payload", which does not name package.json; and what the program itself did wrong before that is not shown, because
# the handler of unhandled rejections logs, too.
#
# Seen on 2026-11-29 with @rotorsoft/act 1.31.26 and zod 4.6.7:
#   empty description: does not start
#   empty author: does not start
#   without both: balance 50
#
# What it does to users: remove the two fields from package.json, or fill them in; and start programs in a folder whose package.json is known.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set type=module
npm install --silent --no-audit --no-fund @rotorsoft/act@1.31.26 zod@4.6.7 > /dev/null 2>&1

cat > account.mjs <<'JS'
import { act, state } from "@rotorsoft/act"
import { z } from "zod"

const Amount = z.object({ amount: z.number() })
const Account = state({ Account: z.object({ balance: z.number() }) })
  .init(() => ({ balance: 0 }))
  .emits({ Deposited: Amount })
  .patch({ Deposited: ({ data }, { balance }) => ({ balance: balance + data.amount }) })
  .on({ deposit: Amount }).emit("Deposited")
  .build()
const app = act().withState(Account).build()
await app.do("deposit", { stream: "account-1", actor: { id: "1", name: "ann" } }, { amount: 50 })
console.log(`balance ${(await app.load(Account, "account-1")).state.balance}`)
JS

tell() { (LOG_LEVEL=fatal node account.mjs 2> errors | grep '^balance') || (grep -q "Invalid config payload" errors && echo "does not start"); }

manifest() { echo "{\"name\":\"app\",\"version\":\"1.0.0\",\"type\":\"module\"$1}" > package.json; }

manifest ',"description":""'
echo "empty description: $(tell)" | tee seen
manifest ',"author":""'
echo "empty author: $(tell)" | tee -a seen
manifest ""
echo "without both: $(tell)" | tee -a seen

diff seen - <<'EXPECTED'
empty description: does not start
empty author: does not start
without both: balance 50
EXPECTED
echo "as on 2026-11-29"
