import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CosmosService, startCosmos } from '../../local/services/cosmos.ts';
import { type PostgresService, startPostgres } from '../../local/services/postgres.ts';
import { type SqlService, startSql } from '../../local/services/sql.ts';

const cli = join(import.meta.dirname, '../../local/cli.ts');
const folder = mkdtempSync(join(tmpdir(), 'warmfeed-cli-'));

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WARMFEED_LOCAL_FOLDER: folder, ...env },
  });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (ended.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (ended.err += chunk.toString()));
  return new Promise((done) => child.once('close', (code) => done({ ...ended, code })));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  it('lists the commands', async () => {
    const { code, out } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const name of ['start', 'demo', 'services', 'write', 'delete', 'get', 'status', 'doctor']) {
      expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    }
  });

  it.each(['start', 'demo', 'services', 'write', 'delete', 'get', 'status', 'doctor'])('tells of %s', async (name) => {
    const [asked, option] = await Promise.all([runCli(['help', name]), runCli([name, '--help'])]);
    expect(option.code).toBe(0);
    expect(option.out).toContain('--help');
    expect(asked.out).toBe(option.out);
  });

  it('uses no colours where there is no terminal', async () => {
    const { out } = await runCli(['status'], { FORCE_COLOR: undefined });
    expect(out).not.toContain('\u001b');
  });
});

describe('wrong words: exit code 2, and a hint', () => {
  it.each([
    [[], /npm run local -- <command>/],
    [['strat'], /Did you mean 'start'/],
    [['frobnicate'], /There are: start, demo/],
    [['start', '--prot', '1'], /--prot.*npm start -- --help/s],
    [['start', 'now'], /Unexpected argument 'now'/],
    [['start', '--port'], /--port/],
    [['start', '--port', '70000'], /--port must be a whole number from 0 to 65535/],
    [['start', '--ranges', '0'], /--ranges must be a whole number from 1/],
    [['start', '--host', 'azure'], /--host must be 'func'/],
    [['write'], /An entity is missing \(airport, country, city\)/],
    [['write', 'airprot', 'FR', 'CDG'], /Unknown entity 'airprot'/],
    [['write', 'airport', 'FR'], /2 segments \(country, id\), e\.g\. airport FR CDG/],
    [['write', 'airport', 'FR', 'CDG'], /Nothing to write/],
    [['write', 'country', 'FR', 'code=DE'], /'code' is part of the key/],
    [['write', 'city'], /1 segment \(id\), e\.g\. city 1/],
    [['write', 'airport', 'FR', 'CDG', 'name'], /'name' is no field=value/],
    [['write', 'airport', 'FR', 'CDG', 'country=DE'], /'country' is part of the key/],
    [['write', 'airport', 'FR', 'CDG', '_etag=1'], /set by Cosmos DB/],
    [['delete', 'airport', 'FR', 'CDG', 'x'], /Unexpected argument 'x'/],
  ])('%j', async (args, hint) => {
    const { code, out, err } = await runCli(args);
    expect(err).toMatch(hint);
    expect(err).not.toMatch(/^\s+at /m);
    expect(out).toBe('');
    expect(code).toBe(2);
  });
});

describe('nothing runs: exit code 1, and how to start it', () => {
  it.each([
    [['write', 'airport', 'FR', 'CDG', 'name=x']],
    [['delete', 'airport', 'FR', 'CDG']],
    [['write', 'country', 'FR', 'name=x']],
    [['delete', 'city', '1']],
    [['status']],
    [['doctor']],
  ])('%j', async (args) => {
    const { code, out, err } = await runCli(args, { COSMOS: '', POSTGRES: '', SQL: '' });
    expect(out + err).toContain('npm start');
    expect(code).toBe(1);
  });
});

describe('rows', () => {
  let postgres: PostgresService;
  let sql: SqlService;
  beforeAll(async () => {
    postgres = await startPostgres({ folder, port: 0 });
    sql = await startSql({ folder, server: postgres.server, port: 0 });
  });
  afterAll(async () => {
    await sql.stop();
    await postgres.stop();
  });

  it.each([
    ['country', 'FR', 'ZZ', 'area'],
    ['city', '1', '99999', 'airports'],
  ])('of %s are changed, added and deleted', async (entity, known, unknown, numeric) => {
    const command = (...args: string[]): Promise<Ended> =>
      runCli(args, { POSTGRES: postgres.url, SQL: sql.connectionString });
    const changed = await command('write', entity, known, 'name=Changed', `${numeric}=7`);
    expect(changed).toMatchObject({ code: 0, out: expect.stringMatching(/^committed at .* changed$/m) as string });
    expect((await command('write', entity, known, 'name=Changed', `${numeric}=7`)).out).toContain('unchanged');
    expect((await command('write', entity, unknown, 'name="New"')).out).toContain('added');
    const refused = await command('write', entity, known, 'nothing=1');
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/column( name)? '?nothing/) as string });
    expect((await command('delete', entity, unknown)).out).toContain('is gone');
    const gone = await command('delete', entity, unknown);
    expect(gone).toMatchObject({ code: 1, err: expect.stringContaining(`There is no ${entity} ${unknown}`) as string });
  });
});

describe('write and delete without an app', () => {
  let cosmos: CosmosService;
  beforeAll(async () => {
    cosmos = await startCosmos({ database: 'warmfeed', port: 0 });
  });
  afterAll(() => cosmos.stop());

  const command = (...args: string[]): Promise<Ended> => runCli(args, { COSMOS: cosmos.connectionString });

  it('change, delete softly, bring back and delete for good', async () => {
    const changed = await command('write', 'airport', 'FR', 'CDG', 'name=Paris CDG', 'elevationFt=400');
    expect(changed).toMatchObject({ code: 0, out: expect.stringMatching(/^committed at .* changed$/m) as string });
    const same = await command('write', 'airport', 'FR', 'CDG', 'elevationFt=400');
    expect(same.out).toContain('unchanged');
    const deleted = await command('delete', 'airport', 'FR', 'CDG');
    expect(deleted.out).toContain('deleted=true');
    const back = await command('write', 'airport', 'FR', 'CDG', 'name=Back');
    expect(back.out).toContain('brought back');
    const added = await command('write', 'airport', 'FR', 'XYZ', 'name=New');
    expect(added.out).toContain('added');
    const hard = await command('delete', 'airport', 'FR', 'XYZ', '--hard');
    expect(hard.out).toContain('does not tell of it');
    const gone = await command('delete', 'airport', 'FR', 'XYZ');
    expect(gone).toMatchObject({ code: 1, err: expect.stringContaining('There is no airport FR XYZ') as string });
  });

  it('say so when --url names no app', async () => {
    const { code, err } = await command('write', 'airport', 'FR', 'CDG', 'name=x', '--url', 'http://127.0.0.1:1/api');
    expect(err).toContain('No app answers at http://127.0.0.1:1/api');
    expect(code).toBe(1);
  });
});
