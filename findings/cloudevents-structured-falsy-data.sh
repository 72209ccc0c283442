#!/usr/bin/env bash
# cloudevents 10.0.0: HTTP.toEvent loses the data of a structured event when it is 0, false, "" or null.
#
# One would guess that the data of an event in JSON format is whatever the member "data" holds: any JSON value is allowed there,
# and the specification tells null from no data. The SDK writes these values as it should and reads them back as undefined, as
# if the event had no data. 1, true, "a" and [] arrive. The same holds for events in a batch.
#
# Seen on 2026-11-28 with cloudevents 10.0.0:
#   sent 0: in the message 0, read back undefined
#   sent false: in the message false, read back undefined
#   sent "": in the message "", read back undefined
#   sent null: in the message null, read back undefined
#   sent 1: in the message 1, read back 1
#   sent []: in the message [], read back []
#   sent in a batch [0,false,"",null,1,[]], read back [0,false,"",null,1,[]]
#
# What it does to users: a counter that is back at zero, a switch that is turned off and a text that is emptied look like events
# without data; a consumer that takes a default for undefined takes the opposite of what was sent. Wrap such values in an
# object.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund cloudevents@10.0.0 > /dev/null

cat > falsy.mjs <<'JS'
import { CloudEvent, HTTP } from "cloudevents"

const values = [0, false, "", null, 1, []]
for (const data of values) {
  const { body, headers } = HTTP.structured(new CloudEvent({ id: "1", source: "/meter", type: "read", data }))
  const back = HTTP.toEvent({ headers, body })
  console.log(
    `sent ${JSON.stringify(data)}: in the message ${JSON.stringify(JSON.parse(body).data)}, ` +
      `read back ${JSON.stringify(back.data)}`
  )
}
const batch = values.map((data) => ({ specversion: "1.0", id: "1", source: "/meter", type: "read", data }))
const headers = { "content-type": "application/cloudevents-batch+json" }
const events = HTTP.toEvent({ headers, body: JSON.stringify(batch) })
console.log(
  `sent in a batch ${JSON.stringify(values)}, read back ${JSON.stringify(events.map((event) => event.data))}`
)
JS
node falsy.mjs | tee seen

diff seen - <<'EXPECTED'
sent 0: in the message 0, read back undefined
sent false: in the message false, read back undefined
sent "": in the message "", read back undefined
sent null: in the message null, read back undefined
sent 1: in the message 1, read back 1
sent []: in the message [], read back []
sent in a batch [0,false,"",null,1,[]], read back [0,false,"",null,1,[]]
EXPECTED
echo "as on 2026-11-28"
