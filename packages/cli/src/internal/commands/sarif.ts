/**
 * What was found, in the form that CI systems read: SARIF 2.1.0.
 */
import { type Finding, format, rules } from "eventfold/Verify"

const schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

const tags = Object.keys(rules) as ReadonlyArray<Finding["_tag"]>

/** What a finding is about, as a path from the store to it. */
const placeOf = (finding: Finding): { readonly kind: string; readonly fullyQualifiedName: string } => {
  if ("streamName" in finding) {
    return { kind: "member", fullyQualifiedName: `${finding.streamName}/${finding.position}` }
  }
  if ("kind" in finding) {
    return { kind: finding.kind === "function" ? "function" : "object", fullyQualifiedName: finding.name }
  }
  if ("name" in finding) return { kind: "object", fullyQualifiedName: finding.name }
  if ("globalPosition" in finding) {
    return { kind: "member", fullyQualifiedName: `message_store/${finding.globalPosition}` }
  }
  return { kind: "namespace", fullyQualifiedName: "message_store" }
}

/** A log of one run. */
export const sarif = (findings: ReadonlyArray<Finding>, messages: number) => ({
  $schema: schema,
  version: "2.1.0",
  runs: [{
    tool: {
      driver: {
        name: "eventfold verify",
        rules: tags.map((id) => ({
          id,
          shortDescription: { text: rules[id].summary },
          help: { text: rules[id].remedy },
          defaultConfiguration: { level: rules[id].level }
        }))
      }
    },
    results: findings.map((finding) => ({
      ruleId: finding._tag,
      ruleIndex: tags.indexOf(finding._tag),
      level: rules[finding._tag].level,
      message: { text: format(finding) },
      locations: [{ logicalLocations: [placeOf(finding)] }]
    })),
    properties: { messages }
  }]
})
