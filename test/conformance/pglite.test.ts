import { Pglite } from "@eventfold/pglite"
import { MessageStoreSuite } from "@eventfold/testing"

MessageStoreSuite.suite("PGlite", Pglite.layer())
