import * as MessageStoreSuite from "@eventfold/testing/MessageStoreSuite"
import { MessageStore } from "eventfold"

MessageStoreSuite.suite("memory", MessageStore.layerMemory)
