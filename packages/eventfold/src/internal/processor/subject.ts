import type { Consumer } from "../consumer/definition.ts"
import type { ReadModel } from "../readModel/definition.ts"

/** Who handles messages: what its log lines, its metrics and its spans are about. */
export interface Subject {
  /** What it is called in a sentence. */
  readonly kind: "consumer" | "read model"
  readonly logged: Readonly<Record<string, string>>
  readonly metrics: { readonly prefix: string; readonly attributes: Readonly<Record<string, string>> }
  readonly span: { readonly name: string; readonly attributes: Readonly<Record<string, string>> }
}

export const ofConsumer = ({ category, id, options: { group } }: Consumer<unknown, unknown>): Subject => ({
  kind: "consumer",
  logged: { consumer: id },
  metrics: {
    prefix: "eventfold_consumer",
    attributes: {
      consumer: id,
      category,
      // Members that are run beside one another are different series.
      ...(group === undefined ? {} : { members: group.members.join(",") })
    }
  },
  span: { name: "Consumer.handle", attributes: { "eventfold.consumer": id, "eventfold.category": category } }
})

export const ofReadModel = ({ name }: ReadModel<unknown, unknown>): Subject => ({
  kind: "read model",
  logged: { readModel: name },
  metrics: { prefix: "eventfold_read_model", attributes: { read_model: name } },
  span: { name: "ReadModel.handle", attributes: { "eventfold.read_model": name } }
})
