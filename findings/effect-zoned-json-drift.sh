#!/usr/bin/env bash
# effect 4.1.0: a DateTime.Zoned moves by up to 30 seconds with each trip through JSON, where its zone has an offset with
# seconds.
#
# One would guess that decoding what was encoded gives the same instant. The text has the local time to the millisecond, the
# zone by name and the offset in hours and minutes, and it is read by the offset. Zones had offsets with seconds until the 20th
# century, Liberia until 1972 (-00:44:30). The offset is rounded, so the instant is off, and the zone, which would tell, is not
# asked. As each trip is off by as much, a value that is stored again and again drifts further.
#
# Seen on 2026-11-28 with effect 4.1.0 (Schema.toCodecJson of Schema.DateTimeZoned), for 12:00:00 UTC and three trips:
#   2026-06-01 in Europe/Berlin: 12:00:00.000Z, 12:00:00.000Z, 12:00:00.000Z
#   1960-06-01 in Africa/Monrovia: 12:00:30.000Z, 12:01:00.000Z, 12:01:30.000Z
#   1890-06-01 in Europe/Berlin: 12:00:28.000Z, 12:00:56.000Z, 12:01:24.000Z
#
# What it does to users: a date of birth or of a deed, kept as midnight of its place, is another instant in every copy, and
# comparing the copy with the original fails. Keep the instant (DateTimeUtc) and the zone apart.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 > /dev/null

cat > zoned.mjs <<'JS'
import { DateTime, Schema } from "effect"

const codec = Schema.toCodecJson(Schema.DateTimeZoned)
const trip = (value) => Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value))))
const cases = [
  ["2026-06-01", "Europe/Berlin"],
  ["1960-06-01", "Africa/Monrovia"],
  ["1890-06-01", "Europe/Berlin"]
]
for (const [date, timeZone] of cases) {
  let value = DateTime.makeZonedUnsafe(`${date}T12:00:00Z`, { timeZone })
  const trips = [1, 2, 3].map(() => {
    value = trip(value)
    return DateTime.formatIso(value).slice(11)
  })
  console.log(`${date} in ${timeZone}: ${trips.join(", ")}`)
}
JS
node zoned.mjs | tee seen

diff seen - <<'EXPECTED'
2026-06-01 in Europe/Berlin: 12:00:00.000Z, 12:00:00.000Z, 12:00:00.000Z
1960-06-01 in Africa/Monrovia: 12:00:30.000Z, 12:01:00.000Z, 12:01:30.000Z
1890-06-01 in Europe/Berlin: 12:00:28.000Z, 12:00:56.000Z, 12:01:24.000Z
EXPECTED
echo "as on 2026-11-28"
