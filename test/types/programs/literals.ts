/** The functions of `evolve` give literals, also deep in a state, without a word about their types. */
import { Schema } from "effect"
import { Category, Entity } from "eventfold"

export class Invoice extends Category.make("invoice", {
  Sent: { to: Schema.String },
  Paid: { by: Schema.String },
  Tagged: { tag: Schema.Literals(["late", "large"]) },
  Cancelled: {}
}) {}

const Status = Schema.Literals(["draft", "sent", "paid", "cancelled"])

export const ofAStruct = Entity.make(Invoice, {
  state: Schema.Struct({ status: Status, sent: Schema.Int }),
  initial: { status: "draft", sent: 0 },
  evolve: {
    Sent: (state) => ({ ...state, status: "sent", sent: state.sent + 1 }),
    Paid: ({ sent }) => ({ status: "paid", sent }),
    Tagged: (state) => state,
    Cancelled: (state) => {
      if (state.status === "paid") return state
      return { ...state, status: "cancelled" }
    }
  }
})

export const ofArrays = Entity.make(Invoice, {
  state: Schema.Struct({
    past: Schema.Array(Status),
    last: Schema.Tuple([Schema.Int, Status]),
    own: Schema.mutable(Schema.Array(Status)),
    details: Schema.optionalKey(
      Schema.Struct({ levels: Schema.Array(Schema.Struct({ level: Schema.Literals([1, 2]) })) })
    )
  }),
  initial: { past: [], last: [0, "draft"], own: [] },
  evolve: {
    Sent: (state) => ({ ...state, past: ["draft", "sent"], details: { levels: [{ level: 1 }] } }),
    Paid: (state) => ({ ...state, past: [...state.past, "paid"], last: [state.past.length, "paid"] }),
    Tagged: (state, { tag }) =>
      tag === "late" ? { ...state, own: [...state.own, "sent"] } : { ...state, own: ["paid"] },
    Cancelled: ({ last, past }) => ({ last, past, own: [] })
  }
})

export const ofATaggedUnion = Entity.make(Invoice, {
  state: Schema.Union([
    Schema.TaggedStruct("Open", { tags: Schema.Array(Schema.Literals(["late", "large"])) }),
    Schema.TaggedStruct("Settled", { by: Schema.NullOr(Schema.String) })
  ]),
  initial: { _tag: "Open", tags: [] },
  evolve: {
    Sent: () => ({ _tag: "Open", tags: ["large"] }),
    Paid: (_, { by }) => ({ _tag: "Settled", by }),
    Tagged: (state, { tag }) => state._tag === "Open" ? { ...state, tags: [...state.tags, tag] } : state,
    Cancelled: () => ({ _tag: "Settled", by: null })
  }
})

export const ofAnArray = Entity.make(Invoice, {
  state: Schema.Array(Status),
  initial: [],
  evolve: {
    Sent: (states) => [...states, "sent"],
    Paid: () => ["sent", "paid"],
    Tagged: (states) => states,
    Cancelled: (states) => states.length > 0 ? [...states, "cancelled"] : []
  }
})
