/**
 * The views of what an application is, and of the store.
 */
import { Consumer } from "./Consumer.tsx"
import { Consumers } from "./Consumers.tsx"
import { Entities, EntitiesOf } from "./Entities.tsx"
import { Entity } from "./Entity.tsx"
import { Process, Processes } from "./Processes.tsx"
import { ProcessInstance } from "./ProcessInstance.tsx"
import { ReadModel } from "./ReadModel.tsx"
import { ReadModels } from "./ReadModels.tsx"
import type { RailLink, Route } from "./routes.ts"
import { Schemas } from "./Schemas.tsx"
import { Store } from "./Store.tsx"

export const applicationRoutes: ReadonlyArray<Route> = [
  { path: "entities", View: Entities },
  { path: "entities/:entity", View: EntitiesOf },
  { path: "entities/:entity/:id", View: Entity },
  { path: "consumers", View: Consumers },
  { path: "consumers/:consumer", View: Consumer },
  { path: "read-models", View: ReadModels },
  { path: "read-models/:model", View: ReadModel },
  { path: "processes", View: Processes },
  { path: "processes/:process", View: Process },
  { path: "processes/:process/:id", View: ProcessInstance },
  { path: "schemas", View: Schemas },
  { path: "store", View: Store }
]

export const applicationRail: ReadonlyArray<RailLink> = [
  { label: "Entities", path: "entities" },
  { label: "Consumers", path: "consumers" },
  { label: "Read models", path: "read-models" },
  { label: "Processes", path: "processes" },
  { label: "Schemas", path: "schemas" },
  { label: "Store", path: "store" }
]
