/**
 * The stores on a client. This module is loaded when a command works on a store.
 */
import * as Postgres from "@eventfold/postgres/Postgres"
import * as SqlReadModel from "@eventfold/postgres/SqlReadModel"

/** Messages. Numbers that JavaScript does not have are shown as they are stored. */
export const messages = (install: boolean, schema: string | undefined) =>
  Postgres.layerClient({ install, schema, exactNumbers: true })

/** Read models. */
export const readModels = (schema: string | undefined) => SqlReadModel.layer({ schema })
