/**
 * What commands ask a database beside its store. This module is loaded when a command does.
 */
export { Check, checksOf } from "@eventfold/postgres/Diagnosis"
export { summary, SummaryRow, Versions, versionsOf } from "@eventfold/postgres/Inspection"
export { install, schemaVersion, uninstall } from "@eventfold/postgres/Postgres"
