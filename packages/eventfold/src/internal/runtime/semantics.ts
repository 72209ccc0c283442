/**
 * Attributes of OpenTelemetry's conventions that metrics and spans share.
 */

/** Of everything that writes or handles messages. */
export const messaging = { "messaging.system": "eventfold" }
