/**
 * The client of a server. This module is loaded when a command works on one.
 */
import * as Postgres from "@eventfold/postgres/Postgres"
import type * as Redacted from "effect/Redacted"

/** A command is one program at work: few connections will do. */
const maxConnections = 4

/** A pool of connections to the database. */
export const client = (url: Redacted.Redacted) =>
  Postgres.layerPool({ url, maxConnections, applicationName: "eventfold command" })
