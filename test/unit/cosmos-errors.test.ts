import { describe, expect, test } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { isLagging, sourceError } from '../../src/sources/cosmos-errors.ts';

const PLACE = 'cosmos/COSMOS/db/items';

describe('errors of the SDK', () => {
  test.each([
    [{ code: 400 }, 'SOURCE_REJECTED', false],
    [{ code: 401 }, 'SOURCE_REJECTED', false],
    [{ code: 403 }, 'SOURCE_REJECTED', false],
    [{ code: 403, substatus: 5300 }, 'SOURCE_REJECTED', false],
    [{ code: 403, substatus: 3 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 403, substatus: 1008 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 404 }, 'SOURCE_REJECTED', false],
    [{ code: 404, substatus: 1003 }, 'SOURCE_REJECTED', false],
    [{ code: 404, substatus: 1002 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 408 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 410, substatus: 1002 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 413 }, 'SOURCE_REJECTED', false],
    [{ code: 429 }, 'SOURCE_THROTTLED', true],
    [{ code: 449 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 500 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 503 }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 'ECONNREFUSED' }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 'ENOTFOUND' }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 'REQUEST_SEND_ERROR' }, 'SOURCE_UNAVAILABLE', true],
    [{ code: 'TimeoutError', name: 'TimeoutError' }, 'SOURCE_TIMEOUT', true],
    [{ name: 'AbortError' }, 'SOURCE_TIMEOUT', true],
    [new DOMException('too late', 'TimeoutError'), 'SOURCE_TIMEOUT', true],
    [new SyntaxError('not JSON'), 'SOURCE_UNAVAILABLE', true],
    ['what', 'SOURCE_UNAVAILABLE', true],
    [null, 'SOURCE_UNAVAILABLE', true],
  ] as const)('%j', (error, code, retryable) => {
    expect(sourceError(PLACE, error)).toMatchObject({ code, retryable, cause: error });
  });

  test('a throttle says how long to wait', () => {
    expect(sourceError(PLACE, { code: 429, retryAfterInMs: 30_000 }).retryAfterMs).toBe(30_000);
    expect(sourceError(PLACE, { code: 429 }).retryAfterMs).toBe(1000);
    expect(sourceError(PLACE, { code: 503 }).retryAfterMs).toBeUndefined();
  });

  test('messages name the source and nothing that the service or the network said', () => {
    const said = 'https://secret-host.documents.azure.com key=abc 0:-1#77';
    for (const code of [400, 401, 403, 404, 429, 503, 'ECONNREFUSED']) {
      const { message } = sourceError(PLACE, Object.assign(new Error(said), { code }));
      expect(message).toContain(PLACE);
      expect(message).not.toMatch(/secret|abc|77/);
    }
  });

  test('errors of Warmfeed pass', () => {
    const error = new WarmfeedError('BAD_KEY', 'x');
    expect(sourceError(PLACE, error)).toBe(error);
  });

  test('only 404/1002 is a lagging replica', () => {
    expect(isLagging({ code: 404, substatus: 1002 })).toBe(true);
    for (const error of [{ code: 404 }, { code: 410, substatus: 1002 }, undefined, 'x'])
      expect(isLagging(error)).toBe(false);
  });
});
