// Durations and sizes as people write them.

export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;
export type Size = `${number}${'b' | 'kb' | 'mb'}`;

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { b: 1, kb: 1024, mb: 1024 * 1024 } as const;

/** Milliseconds of `'250ms' '30s' '5m' '1h' '7d'`; undefined: not a duration. */
export function parseDuration(text: unknown): number | undefined {
  return parseUnit(text, MS);
}

/** Bytes of `'100b' '512kb' '2mb'`; undefined: not a size. */
export function parseSize(text: unknown): number | undefined {
  return parseUnit(text, BYTES);
}

function parseUnit(text: unknown, units: Readonly<Record<string, number>>): number | undefined {
  const match = typeof text === 'string' ? /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text) : null;
  const unit = units[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}
