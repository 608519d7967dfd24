// How times and watermarks are shown to operators.

import type { SeenWatermark } from './ops-ports.ts';

/** @param ms milliseconds since the epoch */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function shownWatermark(watermark: SeenWatermark) {
  switch (watermark.state) {
    case 'known':
      return { state: watermark.state, position: String(watermark.position), ageMs: null };
    case 'unknown':
      return { state: watermark.state, position: String(watermark.pending), ageMs: watermark.ageMs };
    case 'closed':
    case 'absent':
      return { state: watermark.state, position: null, ageMs: null };
  }
}
