/** @since 0.1.0 */
export * as Laws from "./Laws.ts"
/**
 * Not namespaces, as the others are: scenarios and specs begin with a call, `Scenario(notifier)`, `Spec(Balance)`.
 *
 * @since 0.1.0
 */
export { Scenario, ScenarioFailed } from "./Scenario.ts"
/** @since 0.1.0 */
export { Spec, SpecFailed } from "./Spec.ts"
/** @since 0.1.0 */
export { withClock } from "./WithClock.ts"
