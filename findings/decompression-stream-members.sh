#!/usr/bin/env bash
# DecompressionStream("gzip") of Node 24 refuses a file of gzip that has several members, which that of Node 22, gunzip and node:zlib read.
#
# One would guess that the web's DecompressionStream reads what gunzip reads, and what it read in the Node before. Files of several
# members are common: `cat a.gz b.gz`, rotated logs, bgzip, and every writer that appends to a file. RFC 1952 has them in its first
# section. The Compression Streams standard takes one member and throws a TypeError for anything that comes after it, and newer
# versions of Node do so: it gives nothing at all of the first member, because the error comes with the same chunk.
#
# Seen on 2026-11-29 with the npm packages node@22.23.3 and node@24.21.0:
#   22.23.3  node:zlib "a\nb\n"  DecompressionStream "a\nb\n"
#   24.21.0  node:zlib "a\nb\n"  DecompressionStream TypeError
#
# What eventfold does: internal/archive/gzip.ts tells the size of each member in the extra field of its header, and reads the members
# one by one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > members.mjs <<'JS'
import { gunzipSync, gzipSync } from "node:zlib"
const bytes = Buffer.concat([gzipSync("a\n"), gzipSync("b\n")])
const web = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text()
  .then((text) => JSON.stringify(text), (error) => error.name)
console.log(`node:zlib ${JSON.stringify(gunzipSync(bytes).toString())}  DecompressionStream ${web}`)
JS

npm init --yes > /dev/null
for version in 22.23.3 24.21.0; do
  npm install --silent --no-save --no-audit --no-fund "node@$version" > /dev/null
  echo "$version  $(node_modules/.bin/node members.mjs)"
done | tee seen

diff seen - <<'EXPECTED'
22.23.3  node:zlib "a\nb\n"  DecompressionStream "a\nb\n"
24.21.0  node:zlib "a\nb\n"  DecompressionStream TypeError
EXPECTED
