#!/usr/bin/env bash
# effect 4.1.0: the JSON codec of a union of Number and String turns the texts "NaN", "Infinity" and "-Infinity" into numbers.
#
# One would guess that such a union needs nothing in JSON, which has both, and that a text comes back as the text it was; if
# anything is at risk it is the number NaN. Schema.toCodecJson writes NaN and the infinities as strings and reads these strings
# as numbers, in a union too. With Number first the text "Infinity" is a number afterwards; with String first the number NaN is
# a text. Finite in place of Number is right. (Unions of String with BigInt or Date have the same trouble for more texts, but
# there one would look for it.)
#
# Seen on 2026-11-28 with effect 4.1.0:
#   Number, String: text "12" -> text "12", text "Infinity" -> number Infinity, text "NaN" -> number NaN, number NaN -> number NaN
#   String, Number: text "12" -> text "12", text "Infinity" -> text "Infinity", text "NaN" -> text "NaN", number NaN -> text "NaN"
#   Finite, String: text "12" -> text "12", text "Infinity" -> text "Infinity", text "NaN" -> text "NaN"
#
# What it does to users: a free value of an event (an answer, a name, a cell of a sheet) changes its type when it is stored, and
# JSON.stringify makes null of what was a text. Use Finite unless NaN is meant.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 > /dev/null

cat > union.mjs <<'JS'
import { Schema } from "effect"

const show = (value) => typeof value === "string" ? `text "${value}"` : `number ${value}`
const trips = (name, members, values) => {
  const codec = Schema.toCodecJson(Schema.Union(members))
  const trip = (value) => Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value))))
  console.log(`${name}: ${values.map((value) => `${show(value)} -> ${show(trip(value))}`).join(", ")}`)
}
const texts = ["12", "Infinity", "NaN"]
trips("Number, String", [Schema.Number, Schema.String], [...texts, NaN])
trips("String, Number", [Schema.String, Schema.Number], [...texts, NaN])
trips("Finite, String", [Schema.Finite, Schema.String], texts)
JS
node union.mjs | tee seen

diff seen - <<'EXPECTED'
Number, String: text "12" -> text "12", text "Infinity" -> number Infinity, text "NaN" -> number NaN, number NaN -> number NaN
String, Number: text "12" -> text "12", text "Infinity" -> text "Infinity", text "NaN" -> text "NaN", number NaN -> text "NaN"
Finite, String: text "12" -> text "12", text "Infinity" -> text "Infinity", text "NaN" -> text "NaN"
EXPECTED
echo "as on 2026-11-28"
