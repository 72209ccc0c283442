import { MessageStoreSuite } from "@eventfold/testing"
import { MessageStore } from "eventfold"

MessageStoreSuite.suite("memory", MessageStore.layerMemory)
