import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"

/**
 * Whether a codec is exact: decoding what it has encoded gives the encoded value itself. It changes nothing on the way, and has
 * only values that JSON has.
 *
 * Its tree tells: no part has an encoding, which is where a schema keeps what it changes, and every part is of a kind whose
 * encoding is the value, at most without the properties that a struct does not name. Of all other kinds that is unknown.
 */
export const isExact = (codec: Schema.Top): boolean => {
  const seen = new Set<SchemaAST.AST>()
  const isExactPart = (ast: SchemaAST.AST): boolean => {
    if (seen.has(ast)) return true
    seen.add(ast)
    if (ast.encoding !== undefined) return false
    switch (ast._tag) {
      case "String":
      case "TemplateLiteral":
      case "Number":
      case "Boolean":
      case "Null":
        return true
      case "Literal":
        return typeof ast.literal !== "bigint"
      case "Arrays":
        return ast.elements.every(isExactPart) && ast.rest.every(isExactPart)
      case "Objects":
        // An object without any declared property may be of any class, and have anything in it.
        return ast.propertySignatures.length + ast.indexSignatures.length > 0 &&
          ast.propertySignatures.every(({ name, type }) => typeof name === "string" && isExactPart(type)) &&
          ast.indexSignatures.every(({ parameter, type }) => isExactPart(parameter) && isExactPart(type))
      case "Union":
        return ast.types.every(isExactPart)
      case "Suspend":
        return isExactPart(ast.thunk())
      default:
        return false
    }
  }
  return isExactPart(codec.ast)
}

/** JSON as it is read again: JSON text has no negative zero. Gives the value itself where it has none. */
export const withoutNegativeZero = (json: Schema.Json): Schema.Json => {
  if (json === 0) return 0
  if (typeof json !== "object" || json === null) return json
  if (Array.isArray(json)) {
    const items: ReadonlyArray<Schema.Json> = json
    return items.every((item) => Object.is(withoutNegativeZero(item), item)) ? json : items.map(withoutNegativeZero)
  }
  for (const key of Object.keys(json)) {
    const value = (json as { readonly [key: string]: Schema.Json })[key]
    if (value !== undefined && !Object.is(withoutNegativeZero(value), value)) {
      return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, withoutNegativeZero(value)]))
    }
  }
  return json
}
