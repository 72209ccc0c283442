/**
 * What commands ask a database beside its store. This module is loaded when a command does.
 */
export {
  findMessage,
  RelationSize,
  sizes,
  summary,
  SummaryRow,
  Versions,
  versions
} from "@eventfold/postgres/Inspection"
export { Check, checks } from "@eventfold/postgres/Diagnosis"
export { install, schemaVersion, uninstall } from "@eventfold/postgres/Postgres"
