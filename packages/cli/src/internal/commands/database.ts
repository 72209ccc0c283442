/**
 * What commands ask a database beside its store. This module is loaded when a command does.
 */
export { Check, checks } from "@eventfold/postgres/Diagnosis"
export { summary, SummaryRow, Versions, versions } from "@eventfold/postgres/Inspection"
export { install, schemaVersion, uninstall } from "@eventfold/postgres/Postgres"
