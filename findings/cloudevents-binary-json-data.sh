#!/usr/bin/env bash
# cloudevents 10.0.0: in binary mode a body of JSON is parsed for application/json only, and even there not when it is a number,
# a boolean or null.
#
# One would guess that a body is read as JSON whenever its content type says that it is JSON, application/vnd.shop.order+json as
# much as application/json, and that the consumer gets the same data in binary mode as in structured mode. HTTP.binary does
# write JSON for a type with +json, yet HTTP.toEvent gives the text back. With application/json an object or array is parsed,
# the body 5 is the string "5", false is the string "false", which is true where a condition asks, and null is the string
# "null". So a number and a string of digits cannot be told apart any more.
#
# Seen on 2026-11-28 with cloudevents 10.0.0:
#   application/json {"sku":1}: data is object {"sku":1}
#   application/json 5: data is string "5"
#   application/json "5": data is string "5"
#   application/json false: data is string "false"
#   application/json null: data is string "null"
#   application/vnd.shop.order+json {"sku":1}: data is string "{\"sku\":1}"
#   application/vnd.shop.order+json, written and read by the SDK: data is string "{\"sku\":1}"
#   application/vnd.shop.order+json, structured: data is object {"sku":1}
#
# What it does to users: a consumer works until the producer (or a broker in between) changes the mode, which the two may do
# freely; data.sku is then undefined. Parse data that is a string when datacontenttype says JSON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund cloudevents@10.0.0 > /dev/null

cat > binary.mjs <<'JS'
import { CloudEvent, HTTP } from "cloudevents"

const attributes = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order" }
const json = "application/json"
const order = "application/vnd.shop.order+json"
const show = (name, { data }) => console.log(`${name}: data is ${typeof data} ${JSON.stringify(data)}`)
const received = (type, body) =>
  show(`${type} ${body}`, HTTP.toEvent({ headers: { ...attributes, "content-type": type }, body }))

for (const body of ['{"sku":1}', "5", '"5"', "false", "null"]) received(json, body)
received(order, '{"sku":1}')
const event = new CloudEvent({ id: "1", source: "/shop", type: "order", datacontenttype: order, data: { sku: 1 } })
show(`${order}, written and read by the SDK`, HTTP.toEvent(HTTP.binary(event)))
show(`${order}, structured`, HTTP.toEvent(HTTP.structured(event)))
JS
node binary.mjs | tee seen

diff seen - <<'EXPECTED'
application/json {"sku":1}: data is object {"sku":1}
application/json 5: data is string "5"
application/json "5": data is string "5"
application/json false: data is string "false"
application/json null: data is string "null"
application/vnd.shop.order+json {"sku":1}: data is string "{\"sku\":1}"
application/vnd.shop.order+json, written and read by the SDK: data is string "{\"sku\":1}"
application/vnd.shop.order+json, structured: data is object {"sku":1}
EXPECTED
echo "as on 2026-11-28"
