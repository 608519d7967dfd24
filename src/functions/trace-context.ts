// Every invocation runs as part of the trace that the host says it belongs to.

import { app } from '@azure/functions';

/** @param under runs work within the trace of a W3C `traceparent` */
export function registerTraceContext(under: <T>(traceParent: string | undefined, work: () => T) => T): void {
  app.hook.preInvocation((invocation) => {
    const handler = invocation.functionHandler;
    const { traceParent } = invocation.invocationContext.traceContext ?? {};
    invocation.functionHandler = (...inputs) => under(traceParent, () => handler(...inputs) as unknown);
  });
}
