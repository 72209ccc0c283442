#!/usr/bin/env bash
# Node 23 to 26: JSON.parse takes the key "\n" for the key "\" once it has parsed an object with the key "\".
#
# One would guess that what JSON.parse gives depends on its text alone, so that JSON.parse(JSON.stringify(x)) keeps the keys of x.
# V8 from 12.8 on keeps the keys of objects that it parsed before, and compares the next key with the one that came after the
# same keys. When the next key has an escape, it compares the escaped text for as many characters as the key has when it is
# decoded: the text \n of the one-character key "\n" begins with the key "\", so the object gets the key "\". The value lands
# under a name that is not in the text, and nothing fails. Property tests see it as one failure in thousands of runs, with an
# example that passes when it is run alone. Known as https://github.com/nodejs/node/issues/63785.
#
# Seen on 2026-11-28 with the npm packages node@22.23.3 (V8 12.4), node@24.21.0 (V8 13.6) and node@26.10.0 (V8 14.6):
#   22.23.3  alone ["a","\n"]  after a backslash ["a","\n"]
#   24.21.0  alone ["a","\n"]  after a backslash ["a","\\"]
#   26.10.0  alone ["a","\n"]  after a backslash ["a","\\"]
#
# What eventfold does: `parseJson` of eventfold/StoreBackend.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > keys.js <<'JS'
const text = '{"a": 1, "\\n": 2}'
const keys = () => JSON.stringify(Object.keys(JSON.parse(text)))
const alone = keys()
JSON.parse('{"a": 1, "\\\\": 2}')
console.log(`${process.versions.node}  alone ${alone}  after a backslash ${keys()}`)
JS

npm init --yes > /dev/null
for version in 22.23.3 24.21.0 26.10.0; do
  npm install --silent --no-save --no-audit --no-fund "node@$version" > /dev/null
  node_modules/.bin/node keys.js
done | tee seen

diff seen - <<'EXPECTED'
22.23.3  alone ["a","\n"]  after a backslash ["a","\n"]
24.21.0  alone ["a","\n"]  after a backslash ["a","\\"]
26.10.0  alone ["a","\n"]  after a backslash ["a","\\"]
EXPECTED
echo "as on 2026-11-28"
