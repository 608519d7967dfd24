// A timer that has due audits done, and stays while there are some.

import { app } from '@azure/functions';
import type { Auditor } from '../core/audit/audit.ts';

const TURN_MS = 5000;
/** It ends just before the next one is due. */
const MARGIN_MS = 50;

/** @param now the clock that the auditor goes by, ms */
export function registerAudit(auditor: Auditor, now: () => number, stop: AbortSignal): void {
  app.timer('audit', {
    schedule: '*/5 * * * * *',
    useMonitor: false,
    handler: () => auditor.turn(now() + TURN_MS - (Date.now() % TURN_MS) - MARGIN_MS, stop),
  });
}
