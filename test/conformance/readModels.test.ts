import * as ReadModelSuite from "@eventfold/testing/ReadModelSuite"
import { Effect, Layer, Option } from "effect"
import { MemoryTable, MessageStore, ReadModel } from "eventfold"

const table = (readModel: string) => MemoryTable.make<string, number>(readModel, "counts")

ReadModelSuite.suite("memory", Layer.merge(MessageStore.layerMemory, ReadModel.layerMemory), {
  tables: [],
  add: (readModel, key, count) => table(readModel).update(key, (row) => Option.getOrElse(row, () => 0) + count),
  counts: (readModel) => Effect.map(table(readModel).entries, (entries) => Object.fromEntries(entries))
})
