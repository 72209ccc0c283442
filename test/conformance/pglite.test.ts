import { Pglite } from "@eventfold/pglite"
import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"

MessageStoreSuite.suite("PGlite", Pglite.layer())
