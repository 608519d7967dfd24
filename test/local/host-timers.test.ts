/** Timer schedules as a pure calculation, and timers and retry policies in a running host. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startHost } from '../../local/host/host.ts';
import { parseSchedule } from '../../local/host/ncrontab.ts';
import { until } from './fixtures/host/support/raw-request.ts';

const local = (text: string): Date => new Date(text);

describe('schedules', () => {
  it.each([
    ['0 */5 * * * *', '2026-03-01T10:02:03', '2026-03-01T10:05:00'],
    ['0 */5 * * * *', '2026-03-01T10:05:00', '2026-03-01T10:10:00'],
    ['30 0 0 * * *', '2026-03-01T00:00:30', '2026-03-02T00:00:30'],
    ['0 0 9-17/4 * * MON-FRI', '2026-03-06T17:30:00', '2026-03-09T09:00:00'],
    ['5,10 * * * * *', '2026-03-01T10:00:07', '2026-03-01T10:00:10'],
    ['5/20 * * * * *', '2026-03-01T10:00:26', '2026-03-01T10:00:45'],
    ['0 0 0 29 2 *', '2026-03-01T00:00:00', '2028-02-29T00:00:00'],
    ['0 0 0 1 Jan *', '2026-03-01T00:00:00', '2027-01-01T00:00:00'],
    ['*/5 * * * *', '2026-03-01T10:02:03', '2026-03-01T10:05:00'],
    ['00:00:05', '2026-03-01T10:02:03', '2026-03-01T10:02:08'],
    ['1.00:00:00', '2026-03-01T10:02:03', '2026-03-02T10:02:03'],
  ])('%s after %s', (schedule, after, next) => {
    expect(parseSchedule(schedule).next(local(after))).toEqual(local(next));
  });

  it.each([
    '',
    '* * * *',
    '60 * * * * *',
    '* * * 0 * *',
    'a * * * * *',
    '*/0 * * * * *',
    '00:00:00',
  ])('refuses "%s"', (text) => {
    expect(() => parseSchedule(text)).toThrow('schedule');
  });

  it('gives up on a day that never comes', () => {
    expect(() => parseSchedule('0 0 0 31 2 *').next(local('2026-03-01T00:00:00'))).toThrow('never comes due');
  });
});

interface Seen {
  ticks: { isPastDue: boolean; schedule: object; scheduleStatus?: object }[];
  attempts: { retry: object; timer: { scheduleStatus?: { next: string } } }[];
  overlapped: boolean;
}

describe('timers', () => {
  it('run on schedule without overlap, on startup with retries, and by hand', async () => {
    const errors: string[] = [];
    const host = await startHost({
      root: join(import.meta.dirname, 'fixtures/host/timers'),
      port: 0,
      timeScale: 0.001,
      log: ({ level, message }) => void (level === 'error' && errors.push(message)),
    });
    try {
      const seen = (globalThis as unknown as { fixtureTimers: Seen }).fixtureTimers;
      await until('the retries succeeded', () => seen.attempts.length === 3);
      expect(seen.attempts.map((attempt) => attempt.retry)).toEqual([
        { retryCount: 0, maxRetryCount: 3 },
        { retryCount: 1, maxRetryCount: 3, exception: expect.objectContaining({ message: 'attempt 1' }) as object },
        { retryCount: 2, maxRetryCount: 3, exception: expect.objectContaining({ message: 'attempt 2' }) as object },
      ]);
      expect(seen.attempts[0]?.timer.scheduleStatus?.next).toMatch(/-01-01T/);
      await until('two ticks', () => seen.ticks.length >= 2);
      expect(seen.overlapped).toBe(false);
      expect(seen.ticks[0]).toEqual({ isPastDue: false, schedule: { adjustForDST: true }, scheduleStatus: null });
      expect(await host.invoke('byHand')).toBe('done');
      expect(host.functions.map((fn) => fn.name)).not.toContain('wrong');
      expect(errors.some((message) => message.includes("Error indexing method 'Functions.wrong'"))).toBe(true);
    } finally {
      await host.close();
    }
  });
});
