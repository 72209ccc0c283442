/** @since 0.1.0 */
export * as Laws from "./Laws.ts"
/** @since 0.1.0 */
export * as MessageStoreSuite from "./MessageStoreSuite.ts"
/**
 * Not a namespace, as the others are: a spec begins with a call, `Spec(Balance)`.
 *
 * @since 0.1.0
 */
export { Spec, SpecFailed } from "./Spec.ts"
