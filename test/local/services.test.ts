import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as streamText } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';
import { CosmosClient } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import sql from 'mssql';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { airports } from '../../local/data/airports.ts';
import { cities } from '../../local/data/cities.ts';
import { seedContent } from '../../local/data/content.ts';
import { countries } from '../../local/data/countries.ts';
import { createCleanup } from '../../local/services/cleanup.ts';
import { type CosmosService, startCosmos } from '../../local/services/cosmos.ts';
import { givenSettings } from '../../local/services/given.ts';
import { keep } from '../../local/services/keeper.ts';
import { freePort, onFreePort } from '../../local/services/ports.ts';
import { startPostgres } from '../../local/services/postgres.ts';
import { startRedis } from '../../local/services/redis.ts';
import { startSql } from '../../local/services/sql.ts';
import { readState, removeState, writeState } from '../../local/services/state.ts';
import { startStorage } from '../../local/services/storage.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'warmfeed-services-'));
const cleanup = createCleanup((text) => expect.unreachable(text));

afterAll(async () => {
  await cleanup.run();
  rmSync(folder, { recursive: true, force: true });
});

const streamed = ({ readableStreamBody }: { readableStreamBody?: NodeJS.ReadableStream }): Promise<string> =>
  readableStreamBody === undefined ? Promise.resolve('') : streamText(readableStreamBody);

const listenOn = (port: number): Promise<Server> =>
  new Promise((done, fail) => {
    const server = createServer((socket) => socket.end());
    server.once('error', fail);
    server.listen(port, '127.0.0.1', () => done(server));
  });

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function ask(port: number, command: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\nQUIT\r\n`));
    let reply = '';
    socket.on('data', (chunk) => {
      reply += chunk.toString();
    });
    socket.once('error', fail);
    socket.once('close', () => done(reply));
  });
}

const answers = (port: number): Promise<boolean> =>
  ask(port, 'PING').then(
    (reply) => reply.startsWith('+PONG'),
    () => false,
  );

describe('ports', () => {
  it('takes the wanted port, or the next one that is free', async () => {
    const taken = await listenOn(0);
    const port = portOf(taken);
    expect(await freePort(port)).toBeGreaterThan(port);
    await new Promise((done) => taken.close(done));
    expect(await freePort(port)).toBe(port);
  });

  it('goes on when the port is lost between the look and the bind, and not on other errors', async () => {
    const first = await freePort(0);
    const tried: number[] = [];
    const got = await onFreePort(first, (port) => {
      tried.push(port);
      return tried.length < 3
        ? Promise.reject(Object.assign(new Error('taken'), { code: 'EADDRINUSE' }))
        : Promise.resolve(port);
    });
    expect(tried).toHaveLength(3);
    expect(got).toBe(tried[2]);
    await expect(onFreePort(first, () => Promise.reject(new Error('other')))).rejects.toThrow('other');
  });
});

describe('redis', () => {
  it('starts a server of its own on the next free port, and leaves nothing', async () => {
    const taken = await listenOn(0);
    const redis = await startRedis({ folder, port: portOf(taken) });
    await cleanup.add('redis', () => redis.stop());
    const port = redis.port ?? 0;
    expect(port).toBeGreaterThan(portOf(taken));
    taken.close();
    expect(redis.settings).toEqual({ REDIS_URL: `redis://127.0.0.1:${port}` });
    expect(redis.what).toMatch(/^(redis|valkey)-server \d+\.\d+\.\d+ on 127\.0\.0\.1:\d+$/);
    expect(await ask(port, 'CONFIG GET maxmemory-policy')).toContain('volatile-lru');
    expect(await ask(port, 'CONFIG GET save')).toContain('$0');
    await redis.stop();
    expect(await answers(port)).toBe(false);
  });

  it('tells when the server ends by itself', async () => {
    const told = vi.fn<(text: string) => void>();
    const redis = await startRedis({ folder, port: 0, onExit: told });
    await cleanup.add('redis', () => redis.stop());
    await ask(redis.port ?? 0, 'SHUTDOWN NOSAVE');
    await vi.waitFor(() => expect(told).toHaveBeenCalledOnce());
  });

  it('is replaced by REDIS_URL, without showing its password, if something answers there', async () => {
    const server = await listenOn(0);
    const port = portOf(server);
    const redis = await startRedis({ folder, url: `redis://:secret@127.0.0.1:${port}` });
    expect(redis.what).toContain(`127.0.0.1:${port}`);
    expect(redis.what).not.toContain('secret');
    expect(redis.settings['REDIS_URL']).toContain('secret');
    await new Promise((done) => server.close(done));
    await expect(startRedis({ folder, url: `redis://:secret@127.0.0.1:${port}` })).rejects.toThrow(/nothing answers/);
    await expect(startRedis({ folder, url: 'localhost:6379' })).rejects.toThrow(/must be redis:/);
  });

  it('says how to install a missing server, or installs it where it may', async () => {
    const tools = join(folder, 'tools');
    mkdirSync(tools, { recursive: true });
    const script = (name: string): void => writeFileSync(join(tools, name), '#!/bin/sh\n', { mode: 0o755 });
    script('brew');
    const env = { PATH: tools };
    await expect(startRedis({ folder, port: 0, env })).rejects.toThrow(/brew install redis/);
    const install = vi.fn(() => Promise.resolve());
    await expect(startRedis({ folder, port: 0, env, install })).rejects.toThrow(/is not on the PATH/);
    expect(install).toHaveBeenCalledOnce();
    await expect(startRedis({ folder, env: { REDIS_SERVER: join(tools, 'none') } })).rejects.toThrow(/REDIS_SERVER/);
  });
});

describe('keeper', () => {
  it('ends the child when we are killed without a chance to stop it', async () => {
    const parent = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/keeps-a-child.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((done) => parent.stdout.once('data', (chunk: Buffer) => done(Number(chunk))));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
  });

  it('passes on output and exit code, and reports a command that is not there', async () => {
    const kept = keep('/bin/sh', ['-c', 'echo out; echo err >&2; exit 7']);
    expect(await kept.exited).toBe(7);
    await vi.waitFor(() => expect(kept.output().split('\n').toSorted()).toEqual(['err', 'out']));
    expect(kept.running()).toBe(false);
    const missing = keep('/nowhere/at-all', []);
    expect(await missing.exited).toBe(127);
    await vi.waitFor(() => expect(missing.output()).toContain('/nowhere/at-all'));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('cosmos', () => {
  let cosmos: CosmosService;
  let client: CosmosClient;

  beforeAll(async () => {
    cosmos = await startCosmos({ database: 'warmfeed', port: 0, ranges: 3 });
    await cleanup.add('cosmos', () => cosmos.stop());
    client = new CosmosClient(cosmos.connectionString);
  });
  afterAll(() => client.dispose());

  it('holds every airport with an IATA code, and one document of another type', async () => {
    const container = client.database('warmfeed').container('airports');
    const { resources } = await container.items.readAll<{ id: string; type: string; country: string }>().fetchAll();
    const all = airports();
    expect(cosmos.written).toBe(all.length + 1);
    expect(all.length).toBeGreaterThan(4_000);
    expect(resources).toHaveLength(cosmos.written);
    expect(resources.filter(({ type }) => type !== 'airport').map(({ type }) => type)).toEqual(['note']);
    expect(new Set(resources.map(({ country, id }) => `${country}/${id}`)).size).toBe(resources.length);
  });

  it('seeds no second time', async () => {
    const again = await startCosmos({ connectionString: cosmos.connectionString, database: 'warmfeed' });
    expect(again.written).toBe(0);
    expect(again.port).toBeUndefined();
    // A real account answers reads from replicas: the app's default must stand.
    expect(again.settings).not.toHaveProperty('WARMFEED_REPLICA_LAG');
  });

  it('has a container for leases', async () => {
    const { resource } = await client.database('warmfeed').container('leases').read();
    expect(resource?.partitionKey?.paths).toEqual(['/id']);
    expect(resource?.defaultTtl).toBe(-1);
  });

  it('refuses what is no connection string', async () => {
    await expect(startCosmos({ connectionString: 'https://x', database: 'd' })).rejects.toThrow(/connection string/);
  });
});

describe('airports', () => {
  it('are documents with real numbers and properties in one order', () => {
    const paris = airports().find(({ id }) => id === 'CDG');
    expect(JSON.stringify(paris)).toBe(
      JSON.stringify({
        id: 'CDG',
        type: 'airport',
        country: 'FR',
        name: 'Charles de Gaulle International Airport',
        city: 'Paris',
        region: 'FR-IDF',
        icao: 'LFPG',
        location: { type: 'Point', coordinates: [2.55, 49.012798] },
        elevationFt: 392,
        scheduled: true,
        internalNotes: 'OurAirports row 4185, ident LFPG',
      }),
    );
  });

  it('have finite coordinates', () => {
    expect(airports().filter(({ location }) => !location.coordinates.every(Number.isFinite))).toEqual([]);
  });
});

describe('postgres', () => {
  const query = async (url: string, text: string): Promise<unknown[]> => {
    const client = new pg.Client(url);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };

  it('starts a server of its own on the next free port, with the countries in it, and leaves nothing', async () => {
    const home = mkdtempSync(join(folder, 'pg-'));
    const taken = await listenOn(0);
    const port = portOf(taken);
    const postgres = await startPostgres({ folder: home, port });
    await cleanup.add('postgres', () => postgres.stop());
    taken.close();
    expect(postgres.server?.port).toBeGreaterThan(port);
    expect(postgres.what).toMatch(/^embedded PostgreSQL 18\.\d+ on 127\.0\.0\.1:\d+, database warmfeed$/);
    const [france] = await query(postgres.url, `SELECT * FROM countries WHERE code = 'FR'`);
    expect(france).toMatchObject({ name: 'France', capital: 'Paris', area: '551695', latlng: [46, 2] });
    expect(await query(postgres.url, 'SELECT code FROM countries')).toHaveLength(postgres.written);
    expect(await query(postgres.url, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([
      { rolsuper: false },
    ]);
    const again = await startPostgres({ folder: home, url: postgres.url });
    expect(again).toMatchObject({ written: 0, server: undefined, settings: { POSTGRES: postgres.url } });
    await postgres.stop();
    await expect(query(postgres.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('begins anew where it was, ends when its clients are still there, and tells when it ends by itself', async () => {
    const home = mkdtempSync(join(folder, 'pg-'));
    const port = await freePort(20_000);
    const first = await startPostgres({ folder: home, port });
    await query(first.url, 'DELETE FROM countries');
    const client = new pg.Client(first.url);
    client.on('error', () => {});
    await client.connect();
    await first.stop();
    const told = vi.fn<(text: string) => void>();
    const second = await startPostgres({ folder: home, port, onExit: told });
    await cleanup.add('postgres', () => second.stop());
    expect(second.written).toBe(first.written);
    process.kill(-(second.pid ?? 0), 'SIGINT');
    await vi.waitFor(() => expect(told).toHaveBeenCalledOnce());
  });

  it('is replaced by POSTGRES, without showing its password, if it can be used', async () => {
    const url = `postgres://me:secret@127.0.0.1:${await freePort(0)}/shop`;
    const starting = startPostgres({ folder, url });
    await expect(starting).rejects.toThrow(/POSTGRES is set, but 127\.0\.0\.1:\d+\/shop cannot be used/);
    await expect(starting).rejects.not.toThrow(/secret/);
    await expect(startPostgres({ folder, url: 'Host=127.0.0.1' })).rejects.toThrow(/must be postgres:/);
  });
});

describe('sql', () => {
  it('emulates a database with the cities in it, in the PostgreSQL that runs or in one of its own', async () => {
    const home = mkdtempSync(join(folder, 'sql-'));
    const first = await startSql({ folder: home, port: 0 });
    await cleanup.add('sql', () => first.stop());
    expect(first.pid).toBeDefined();
    expect(first.what).toMatch(/^TDS emulator on 127\.0\.0\.1:\d+, database warmfeed_sql in PostgreSQL$/);
    const pool = new sql.ConnectionPool(first.connectionString);
    await pool.connect();
    const { recordset } = await pool
      .request()
      .query(`SELECT * FROM dbo.cities WHERE name = 'paris' AND country = 'FR'`);
    expect(recordset).toEqual([cities().find(({ name, country }) => name === 'Paris' && country === 'FR')]);
    await pool.close();
    const again = await startSql({ folder: home, connectionString: first.connectionString });
    expect(again).toMatchObject({ written: 0, port: undefined, settings: { SQL: first.connectionString } });
    expect(first.written).toBe(cities().length);
    await first.stop();
    await expect(startSql({ folder: home, connectionString: first.connectionString })).rejects.toThrow(
      /SQL is set, but the database on 127\.0\.0\.1,\d+ cannot be used/,
    );
    await expect(startSql({ folder: home, connectionString: 'mssql://x' })).rejects.toThrow(
      /must be a connection string/,
    );
  });
});

describe('countries', () => {
  it('are rows with codes of neighbours that exist', () => {
    const all = countries();
    const codes = new Set(all.map(({ code }) => code));
    expect(codes.size).toBe(all.length);
    expect(all.flatMap(({ borders }) => borders).filter((code) => !codes.has(code))).toEqual([]);
    expect(all.filter(({ area }) => area !== null && area <= 0)).toEqual([]);
  });
});

describe('storage', () => {
  it('starts azurite beside what has its ports, and names where it is', async () => {
    const storage = await startStorage({ ports: [0, 0, 0] });
    await cleanup.add('storage', () => storage.stop());
    await storage.ready;
    const text = storage.settings['AzureWebJobsStorage'] ?? '';
    const blob = /BlobEndpoint=([^;]+)/.exec(text)?.[1] ?? '';
    expect(text).toContain('AccountName=devstoreaccount1');
    const answer = await fetch(`${blob}?comp=list`);
    expect(answer.headers.get('server')).toMatch(/^Azurite-Blob/);
    expect(await seedContent(text)).toBe(1003);
    const container = BlobServiceClient.fromConnectionString(text).getContainerClient('content');
    const flag = await container.getBlobClient('flags/fra.svg').download();
    expect([flag.contentType, (await streamed(flag)).includes('<svg')]).toEqual(['image/svg+xml', true]);
    const border = await streamed(await container.getBlobClient('borders/fra.geo.json').download());
    const packed = await container.getBlobClient('borders/fra.geo.json.br').downloadToBuffer();
    expect(brotliDecompressSync(packed).toString()).toBe(border);
    // What is there is left alone.
    await container.getBlockBlobClient('flags/fra.svg').upload('mine', 4);
    expect(await seedContent(text)).toBe(0);
    expect(await streamed(await container.getBlobClient('flags/fra.svg').download())).toBe('mine');
    await storage.stop();
    await expect(fetch(blob)).rejects.toThrow();
  });

  it('for content is the same, or what CONTENT names', async () => {
    const other = await startStorage({ connectionString: 'AccountName=mine', content: 'AccountName=files' });
    expect(other.settings).toEqual({ AzureWebJobsStorage: 'AccountName=mine', CONTENT: 'AccountName=files' });
  });

  it('is replaced by AzureWebJobsStorage, unless that means the emulator', async () => {
    const other = await startStorage({ connectionString: 'AccountName=mine' });
    expect(other.settings).toEqual({ AzureWebJobsStorage: 'AccountName=mine', CONTENT: 'AccountName=mine' });
    expect(other.pid).toBeUndefined();
  });
});

describe('given settings', () => {
  const root = join(folder, 'app');
  const file = (name: string, values: Record<string, string>): void => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, name), JSON.stringify({ Values: values }));
  };
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('are those of local.settings.json that are neither the sample’s nor of this machine, and the environment before them', () => {
    file('local.settings.sample.json', { REDIS_URL: 'redis://sample', COSMOS: 'sample' });
    file('local.settings.json', {
      REDIS_URL: 'redis://sample',
      COSMOS: 'mine',
      AzureWebJobsStorage: 'BlobEndpoint=http://127.0.0.1:10003/devstoreaccount1;',
      SQL: 'Server=127.0.0.1,1440;Database=warmfeed_sql;User Id=sa;Password=x',
      POSTGRES: 'postgres://warmfeed@127.0.0.1:5440/warmfeed',
      WARMFEED_APP: 'file',
    });
    expect(givenSettings(root, { WARMFEED_APP: 'env', REDIS_URL: '', WARMFEED_LOCAL_FOLDER: '/', HOME: '/' })).toEqual({
      COSMOS: 'mine',
      WARMFEED_APP: 'env',
    });
  });

  it('must not name an account by identity only', () => {
    expect(() => givenSettings(root, { COSMOS__accountEndpoint: 'https://x' })).toThrow(/connection string/);
    expect(givenSettings(root, { COSMOS: 'x', COSMOS__accountEndpoint: 'https://x' })).toEqual({ COSMOS: 'x' });
  });
});

describe('state', () => {
  const state = { startedAt: '', command: 'start', database: 'd', services: [] };

  it('is found as long as the process lives, and only its own is removed', async () => {
    const home = join(folder, 'state');
    writeState(home, { ...state, pid: process.pid });
    expect(readState(home)).toMatchObject({ command: 'start' });
    removeState(home);
    expect(existsSync(join(home, 'state.json'))).toBe(false);

    const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
    writeState(home, { ...state, pid: Number(stdout) });
    expect(readState(home)).toBeUndefined();

    writeState(home, { ...state, pid: process.ppid });
    removeState(home);
    expect(readState(home)?.pid).toBe(process.ppid);
  });
});

describe('cleanup', () => {
  it('stops in reverse order, once, whatever fails, and what comes too late at once', async () => {
    const warned: string[] = [];
    const stopped: string[] = [];
    const all = createCleanup((text) => warned.push(text));
    const stop = (name: string) => () => {
      stopped.push(name);
      return name === 'b' ? Promise.reject(new Error('stuck')) : Promise.resolve();
    };
    for (const name of ['a', 'b', 'c']) await all.add(name, stop(name));
    await Promise.all([all.run(), all.run()]);
    await all.add('d', stop('d'));
    expect(stopped).toEqual(['c', 'b', 'a', 'd']);
    expect(warned).toEqual(['b did not stop cleanly: stuck']);
  });
});
