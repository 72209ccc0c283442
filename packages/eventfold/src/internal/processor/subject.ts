/** The consumer or read model that log lines, metrics and spans are about. */
export interface Subject {
  /** Its kind, as sentences name it. */
  readonly kind: "consumer" | "read model"
  /** As other programs are told of it. */
  readonly reader: { readonly kind: Subject["kind"]; readonly id: string; readonly category: string }
  readonly logged: Readonly<Record<string, string>>
  /** The names of its own metrics begin with the prefix. */
  readonly metrics: { readonly prefix: string; readonly attributes: Readonly<Record<string, string>> }
  readonly span: { readonly name: string; readonly attributes: Readonly<Record<string, string>> }
}

export const ofConsumer = ({ category, id, options: { group } }: {
  readonly id: string
  readonly category: string
  readonly options: { readonly group?: { readonly members: ReadonlyArray<number> } | undefined }
}): Subject => {
  const attributes = { "messaging.consumer.group.name": id, "messaging.destination.name": category }
  return {
    kind: "consumer",
    reader: { kind: "consumer", id, category },
    logged: { consumer: id },
    metrics: {
      prefix: "eventfold.consumer",
      // Members that run beside one another are different series.
      attributes: { ...attributes, ...(group === undefined ? {} : { "eventfold.members": group.members.join(",") }) }
    },
    span: { name: "Consumer.handle", attributes }
  }
}

export const ofReadModel = ({ name, sources }: {
  readonly name: string
  readonly sources: ReadonlyArray<string>
}): Subject => {
  const attributes = { "messaging.consumer.group.name": name, "messaging.destination.name": sources.join(",") }
  return {
    kind: "read model",
    reader: { kind: "read model", id: name, category: sources.join(",") },
    logged: { readModel: name },
    metrics: { prefix: "eventfold.read_model", attributes },
    span: { name: "ReadModel.handle", attributes }
  }
}
