// What failures of the server mean, each made by the TDS emulator and met by the unmodified driver.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createSqlPools } from '../../src/sources/mssql-client.ts';
import { type SqlServer, startSqlServer } from '../support/sql-server.ts';

describe.skipIf(process.env['SQL'] !== undefined)('failures of SQL Server', () => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await startSqlServer();
    await server.table('dbo.errors', '(id int PRIMARY KEY)');
    await server.run('INSERT INTO dbo.errors VALUES (1)');
  });
  afterEach(() => server.emulator?.control.reset());
  afterAll(() => server.end());

  const there = { document: { id: 1 }, isTracked: true };
  const open = () => server.open('dbo.errors', { id: 'int' });
  const control = () => {
    if (server.emulator === undefined) throw new Error('no emulator');
    return server.emulator.control;
  };

  test.each([1205, 3960, 40_197, 40_613])('error %i passes: asked again', async (number) => {
    const { source } = open();
    const fault = control().fail({ match: 'OPENJSON', error: { number } });
    expect(await source.read(['1'])).toMatchObject(there);
    expect(fault.hits()).toBe(1);
  });

  test('a connection that is cut in the midst of it, or while it was idle, is one of many', async () => {
    const { source } = open();
    const fault = control().fail({ match: 'OPENJSON', kill: true });
    expect(await source.read(['1'])).toMatchObject(there);
    expect(fault.hits()).toBe(1);
    control().killConnections();
    expect(await source.read(['1'])).toMatchObject(there);
  });

  test.each([
    [40_501, { code: 'SOURCE_THROTTLED', retryable: true, retryAfterMs: 1000 }],
    [49_918, { code: 'SOURCE_THROTTLED', retryable: true }],
    [229, { code: 'SOURCE_REJECTED', message: expect.stringContaining('may not read') as string }],
    [3952, { code: 'SOURCE_REJECTED', message: expect.stringContaining('ALLOW_SNAPSHOT_ISOLATION') as string }],
    [40_613, { code: 'SOURCE_UNAVAILABLE', retryable: true }],
  ])('error %i for good: %j', async (number, expected) => {
    const { source, log } = open();
    await source.read(['1']);
    control().fail({ match: /OPENJSON|CHANGETABLE/, error: { number, message: 'secret text' }, times: Infinity });
    const failed = expect(source.read(['1'])).rejects;
    await failed.toMatchObject(expected);
    await expect(log.poll(0n, 10, [])).rejects.toMatchObject(expected);
    await expect(source.read(['1'])).rejects.not.toMatchObject({
      message: expect.stringContaining('secret') as string,
    });
  });

  test.each([
    [40_613, { code: 'SOURCE_UNAVAILABLE', retryable: true }],
    [18_456, { code: 'SOURCE_REJECTED', retryable: false }],
  ])('a sign-in that is refused with %i: %j; then it works', async (number, expected) => {
    const pools = createSqlPools({ size: 2, timeoutMs: 2500 });
    const { source } = server.open('dbo.errors', { id: 'int' }, { pools, requestTimeoutMs: 15_000 });
    control().refuseLogins(number, Infinity);
    await expect(source.read(['1'])).rejects.toMatchObject(expected);
    control().reset();
    expect(await source.read(['1'])).toMatchObject(there);
    await pools.close();
  });

  test('a slow batch is cancelled in time, and its connection goes on', async () => {
    const { source } = server.open('dbo.errors', { id: 'int' }, { requestTimeoutMs: 300 });
    await source.read(['1']);
    control().fail({ match: 'OPENJSON', delayMs: 2000 });
    await expect(source.read(['1'])).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    expect(await source.read(['1'])).toMatchObject(there);
  });

  test('an error within the transaction leaves none open', async () => {
    const { source } = open();
    control().fail({ match: 'OPENJSON', error: { number: 229 } });
    await expect(source.read(['1'])).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    const before = (await source.read(['1'])).asOf;
    await server.run('DELETE FROM dbo.errors WHERE id = 99; INSERT INTO dbo.errors VALUES (2)');
    control().record(true);
    for (let i = 0; i < 8; i++) expect((await source.read(['1'])).asOf).toBeGreaterThan(before);
    // No second round trip to see whether a connection lives.
    expect(
      control()
        .requests()
        .filter(({ text }) => text.startsWith('SELECT 1')),
    ).toEqual([]);
  });
});
