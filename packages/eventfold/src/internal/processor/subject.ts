/** The consumer or read model that log lines, metrics and spans are about. */
export interface Subject {
  /** Its kind, as sentences name it. */
  readonly kind: "consumer" | "read model"
  readonly logged: Readonly<Record<string, string>>
  readonly metrics: { readonly prefix: string; readonly attributes: Readonly<Record<string, string>> }
  readonly span: { readonly name: string; readonly attributes: Readonly<Record<string, string>> }
}

export const ofConsumer = ({ category, id, options: { group } }: {
  readonly id: string
  readonly category: string
  readonly options: { readonly group?: { readonly members: ReadonlyArray<number> } | undefined }
}): Subject => ({
  kind: "consumer",
  logged: { consumer: id },
  metrics: {
    prefix: "eventfold_consumer",
    attributes: {
      consumer: id,
      category,
      // Members that run beside one another are different series.
      ...(group === undefined ? {} : { members: group.members.join(",") })
    }
  },
  span: { name: "Consumer.handle", attributes: { "eventfold.consumer": id, "eventfold.category": category } }
})

export const ofReadModel = ({ name }: { readonly name: string }): Subject => ({
  kind: "read model",
  logged: { readModel: name },
  metrics: { prefix: "eventfold_read_model", attributes: { read_model: name } },
  span: { name: "ReadModel.handle", attributes: { "eventfold.read_model": name } }
})
