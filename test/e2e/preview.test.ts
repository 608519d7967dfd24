// `npm run preview`: what it says of a changed configuration is held against what the app had cached.

import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPreview, type Preview } from '../../ops/preview-run.ts';
import { previewText } from '../../ops/preview-text.ts';
import type { CacheDefinition } from '../../src/config/define.ts';
import { type Stack, startStack, until } from '../support/stack.ts';
import shop from './cache.config.ts';

const definition = shop as unknown as CacheDefinition;
let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
  await stack.widgets.items.create({ id: 'a', region: 'north', n: 1, secret: 's' });
  await stack.widgets.items.create({ id: 'b', region: 'north', deleted: true });
  await stack.widgets.items.create({ id: 'c', region: 'north', type: 'other' });
  await stack.widgets.items.create({ id: 'd', region: 'north', poison: true });
  await stack.widgets.items.create({ id: 'e\u001b[2J', region: 'north', n: 5 });
  await until(async () =>
    (await stack.get('entities/widget/north/a')).cacheStatus.includes('; hit') ? true : undefined,
  );
});
afterAll(() => stack?.close());

/** The widget with these options besides, as a team would edit it. */
async function previewWith(options: object, settings: Record<string, string> = {}): Promise<Preview> {
  const { widget } = definition.entities as Record<string, object>;
  const edited = { ...definition, entities: { ...definition.entities, widget: { ...widget, ...options } } };
  const opened = openPreview(edited as unknown as CacheDefinition, { ...stack.settings, ...settings });
  try {
    const entity = opened.entities.find(({ name }) => name === 'widget');
    if (entity === undefined) throw new Error('no widget');
    return await opened.preview(entity, { limit: 20, since: undefined });
  } finally {
    await opened.close();
  }
}

const lookedAt = ({ documents }: Preview, key: string) => documents.find((document) => document.key === key);

describe('the configuration that runs', () => {
  it('leaves what is cached, and tells what each function makes of a document', async () => {
    const found = await previewWith({});
    expect(lookedAt(found, 'north/a')).toMatchObject({
      served: 'value',
      tags: ['region:north'],
      body: { id: 'a', region: 'north', n: 1 },
      cached: 'live',
    });
    expect(lookedAt(found, 'north/a')?.body).not.toHaveProperty('secret');
    expect(lookedAt(found, 'north/b')?.served).toBe('deletedWhen says yes');
    expect(lookedAt(found, 'north/c')?.served).toBe('match says no');
    expect(lookedAt(found, 'north/d')).toMatchObject({ served: 'fails', remark: expect.stringContaining('poison') });
    const text = previewText(found, false).join('\n');
    expect(text).toContain('makes nothing old');
    expect(text).not.toContain('\u001b[2J');
  });

  it('writes nothing to Redis, not even a generation', async () => {
    const fresh = { WARMFEED_APP: 'never-ran' };
    expect(lookedAt(await previewWith({}, fresh), 'north/a')?.cached).toBe('no');
    expect(await stack.redis.keys('wf:never-ran:*')).toEqual([]);
  });
});

describe('a changed configuration', () => {
  it('with another revision makes old what is cached', async () => {
    const found = await previewWith({ revision: 2 });
    expect(lookedAt(found, 'north/a')?.cached).toBe('old');
    expect(previewText(found, false).join('\n')).toContain('makes old what is cached of widget');
  });

  it.each([
    ['select', { select: ({ id }: { id: unknown }) => ({ id }) }],
    ['tags', { tags: () => ['new'] }],
    ['match', { match: () => false }],
  ])('with another %s and the same revision is told to raise it', async (_, options) => {
    const found = await previewWith(options);
    expect(lookedAt(found, 'north/a')?.cached).toBe('differs');
    expect(previewText(found, false).join('\n')).toContain("raise the entity's revision");
  });

  it('with another ttl makes old what is cached, too', async () => {
    expect(lookedAt(await previewWith({ ttl: '2h' }), 'north/a')?.cached).toBe('old');
  });
});

it('without Redis it shows the documents, and says so', async () => {
  const found = await previewWith({}, { REDIS_URL: 'redis://127.0.0.1:9' });
  expect(found.redis).toBe('cannot be reached');
  expect(lookedAt(found, 'north/a')).toMatchObject({ served: 'value', cached: 'unknown' });
});

describe('the command', () => {
  const run = async (...args: string[]) => {
    const file = resolve(import.meta.dirname, '../../ops/preview.ts');
    const env = {
      ...process.env,
      NO_COLOR: '1',
      WARMFEED_LOCAL_FOLDER: mkdtempSync(join(tmpdir(), 'preview-')),
      COSMOS: 'x',
    };
    const done = await promisify(execFile)(process.execPath, [file, ...args], { env }).catch((error: unknown) => error);
    const { code = 0, stdout, stderr } = done as { code?: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  };

  it('has help; wrong words are 2, a wrong configuration 1', async () => {
    expect(await run('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('npm run preview -- <entity>'),
    });
    expect(await run('airport', '--limit', '0')).toMatchObject({ code: 2, stderr: expect.stringContaining('--limit') });
    expect(await run('airport', '--since', 'soon')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--since'),
    });
    expect(await run('airport', 'more')).toMatchObject({ code: 2 });
    expect(await run('airport')).toMatchObject({ code: 1, stderr: expect.stringContaining('COSMOS') });
  });
});
