// Checks that parts of a configuration share; each notes its problem and goes on.

import type { Environment } from './settings.ts';
import { parseDuration } from './units.ts';

/** Notes a problem at a path below the caller's. */
export type Report = (path: string, message: string) => undefined;

export function duration(path: string, text: unknown, report: Report, least = 0): number | undefined {
  const ms = parseDuration(text);
  if (ms === undefined) return report(path, 'must be a duration such as "30s", "5m" or "1h"');
  return ms >= least ? ms : report(path, `must be at least ${least}ms`);
}

/** A text with every `%NAME%` replaced by that app setting. */
export function resolveText(path: string, text: unknown, environment: Environment, report: Report): string | undefined {
  if (typeof text !== 'string' || text === '') return report(path, 'must be a name');
  let missing: string | undefined;
  const resolved = text.replace(/%(\w+)%/g, (_, name: string) => {
    const value = environment[name];
    if (!value) missing = name;
    return value ?? '';
  });
  return missing === undefined ? resolved : report(path, `the app setting ${missing} is missing`);
}
