/**
 * Laws that categories and entities keep, checked with generated values.
 *
 * @since 0.1.0
 */
export * as Laws from "./Laws.ts"
/**
 * Functions, not namespaces as other modules are: a test calls `Scenario(notifier)` and `Spec(Balance)`.
 *
 * @since 0.1.0
 */
export { Scenario, ScenarioFailed } from "./Scenario.ts"
/** @since 0.1.0 */
export { Spec, SpecFailed } from "./Spec.ts"
/** @since 0.1.0 */
export { withClock } from "./WithClock.ts"
