#!/usr/bin/env bash
# effect 4.1.0: instances of a class with private fields are all equal, so Stream.changes, HashMap and Array.dedupe lose them.
#
# One would guess that Equal.equals compares objects of a class that does not implement Equal by reference, as version 3 did,
# and that what it cannot see into is at least not equal. Version 4 compares the keys of such objects, their own and those of
# the prototype, and a field #cents is no key. So any two instances are equal whose state is in # fields, in a WeakMap or inside
# the engine, unless a getter shows it; a method does not. No error and no type says so.
#
# Seen on 2026-11-28 with effect 4.1.0, for instances of 1, 2 and 3 cents:
#   Equal.equals(1 cent, 2 cents): private field true, public field false
#   Stream.changes: private field 1, public field 1 2 3
#   Array.dedupe: private field 1, public field 1 2 3
#   HashMap of 3 keys: private field 1 entry, public field 3 entries
#
# What it does to users: a stream of states that is thinned out with Stream.changes stops at the first one; keys of a cache or a
# HashMap fall together; a test that compares expected and actual events with Equal passes whatever happened.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 > /dev/null

cat > equal.mjs <<'JS'
import { Array, Effect, Equal, HashMap, Stream } from "effect"

class Private {
  #cents
  constructor(cents) {
    this.#cents = cents
  }
  toString() {
    return String(this.#cents)
  }
}
class Public {
  constructor(cents) {
    this.cents = cents
  }
  toString() {
    return String(this.cents)
  }
}
const both = async (name, run) => {
  const of = async (Money) => run([1, 2, 3].map((cents) => new Money(cents)))
  console.log(`${name}: private field ${await of(Private)}, public field ${await of(Public)}`)
}
const entries = (n) => `${n} ${n === 1 ? "entry" : "entries"}`

await both("Equal.equals(1 cent, 2 cents)", ([one, two]) => Equal.equals(one, two))
await both("Stream.changes", async (all) =>
  (await Effect.runPromise(Stream.fromIterable(all).pipe(Stream.changes, Stream.runCollect))).join(" "))
await both("Array.dedupe", (all) => Array.dedupe(all).join(" "))
await both("HashMap of 3 keys", (all) => entries(HashMap.size(HashMap.fromIterable(all.map((money) => [money, 1])))))
JS
node equal.mjs | tee seen

diff seen - <<'EXPECTED'
Equal.equals(1 cent, 2 cents): private field true, public field false
Stream.changes: private field 1, public field 1 2 3
Array.dedupe: private field 1, public field 1 2 3
HashMap of 3 keys: private field 1 entry, public field 3 entries
EXPECTED
echo "as on 2026-11-28"
