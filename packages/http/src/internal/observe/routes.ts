/**
 * The routes that show what an application is.
 */
import * as Layer from "effect/Layer"
import * as Administration from "./administration.ts"
import * as Consumers from "./consumers.ts"
import * as Entities from "./entities.ts"
import * as Processes from "./processes.ts"
import * as ReadModels from "./readModels.ts"
import * as Schemas from "./schemas.ts"

export const layer = Layer.mergeAll(
  Entities.layer,
  Consumers.layer,
  Processes.layer,
  ReadModels.layer,
  Schemas.layer,
  Administration.layer
)
