// The operator's console in a real browser, on the real routes: what it shows is what /ops answers, what it does is done,
// and nothing that comes from the data is markup to it.

import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const KEYS = { master: 'master-key', default: 'function-key' };
const HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>';
/** No id has a slash. */
const POISON = HOSTILE.replaceAll('/', '|');
const executable = findBrowser();

let stack: Stack;
beforeAll(async () => {
  const configuration = new URL('./ops-sessions.config.ts', import.meta.url).pathname;
  stack = await startStack({ configuration, host: { enableAuth: true, keys: KEYS } });
  await stack.widgets.items.create({ id: 'a', region: 'north', n: 1 });
  await stack.widgets.items.create({ id: POISON, region: 'north', poison: true });
});
afterAll(() => stack?.close());

const withKey = (path: string, init: RequestInit = {}) =>
  stack.get(path, { ...init, headers: { 'x-functions-key': KEYS.master, ...(init.headers as object) } });

describe('the files', () => {
  it('are open to all, with a policy that allows this origin and nothing else', async () => {
    for (const path of ['ops/console', 'ops/console/console.css', 'ops/console/main.client.js']) {
      const { status, headers } = await stack.get(path);
      expect([path, status, headers.get('content-security-policy')]).toEqual([
        path,
        200,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      ]);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('are revalidated, and there are no others', async () => {
    const { headers } = await stack.get('ops/console');
    const again = await stack.get('ops/console', { headers: { 'if-none-match': headers.get('etag') ?? '' } });
    expect(again).toMatchObject({ status: 304, text: '' });
    expect((await stack.get('ops/console', { method: 'HEAD' })).text).toBe('');
    expect((await stack.get('ops/console', { method: 'POST' })).status).toBe(405);
    for (const name of ['nothing.js', '..%2Fmain.ts', 'index.html']) {
      expect((await stack.get(`ops/console/${name}`)).status).toBe(404);
    }
  });

  it('name no other host, and have no inline script or style', async () => {
    const { text } = await stack.get('ops/console');
    const scripts = await Promise.all(
      [...text.matchAll(/(?:src|href)="(console\/[^"]+)"/g)].map(([, path]) => stack.get(`ops/${path}`)),
    );
    expect(scripts.map(({ status }) => status)).toEqual([200, 200]);
    expect(text).not.toMatch(/\son\w+=|style=|<style|<script[^>]*>[^<]/);
    expect(text).not.toMatch(/https?:/);
  });
});

describe.skipIf(executable === undefined)('in a browser', () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await startBrowser(executable ?? '');
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${stack.host.url}/api/ops/console`);
  });
  afterEach(() => context.close());

  async function connect(): Promise<void> {
    await page.fill('#key', KEYS.master);
    await page.press('#key', 'Enter');
    await page.waitForSelector('#sources table');
    await page.waitForSelector('#hit-rate');
    await page.waitForSelector('#letters .body > *');
    // What is asserted of one answer must not be overtaken by the next.
    await page.uncheck('#refresh');
  }

  const text = async (selector: string) => (await page.textContent(selector)) ?? '';
  const holds = (expression: string) =>
    until(async () => ((await page.evaluate(expression)) === true ? true : undefined));
  const status = (said: string) =>
    holds(`document.querySelector('#status').textContent.includes(${JSON.stringify(said)})`);

  async function confirm(): Promise<void> {
    await page.click('#confirm .danger');
  }

  it('wants the admin key, keeps it in memory, and breaks no policy', async () => {
    for (const key of ['another', KEYS.default]) {
      // The browser itself complains of each refusal, later than the page shows it.
      const refused = page.waitForEvent('console', (message) => message.text().includes('401'));
      await page.fill('#key', key);
      await page.press('#key', 'Enter');
      await refused;
      await status('does not take this key');
      expect(await page.isVisible('#sections')).toBe(false);
    }
    complaints.length = 0;
    await connect();
    const kept = await page.evaluate<unknown[]>(
      '[localStorage.length, sessionStorage.length, document.cookie, document.body.outerHTML]',
    );
    expect(kept.slice(0, 3)).toEqual([0, 0, '']);
    expect(kept[3]).not.toContain(KEYS.master);
    expect(await page.inputValue('#key')).toBe('');
    expect(page.url()).not.toContain(KEYS.master);
    expect(complaints).toEqual([]);
    await page.click('#forget');
    expect(await page.isVisible('#sections')).toBe(false);
    expect(await page.textContent('#sources .body')).toBe('');
  });

  it('shows the numbers of /ops/stats', async () => {
    for (let i = 0; i < 3; i++) await withKey('entities/widget/north/a');
    await withKey('entities/widget/north/nowhere');
    const body = JSON.stringify({
      keys: [
        ['north', 'a'],
        ['north', 'nowhere either'],
      ],
    });
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
    await withKey('batch/widget', { ...post, body });
    await withKey('sessions', { ...post, body: '{}' });
    const id = { 'x-session-id': 'nobody-had-this-id-before' };
    for (let i = 0; i < 2; i++) await withKey('sessions/current', { headers: id });
    const answered = page.waitForResponse((response) => response.url().includes('/ops/stats'));
    await connect();
    const stats = (await (await answered).json()) as {
      buckets: { reads: Record<string, number>; changes: number; latency: number[] }[];
      latencyBoundsMs: number[];
    };
    const reads = stats.buckets.flatMap((bucket) => Object.entries(bucket.reads));
    const all = reads.reduce((sum, [, n]) => sum + n, 0);
    const cached = reads.reduce(
      (sum, [name, n]) => (['hit', 'stale', 'stale-if-error'].includes(name) ? sum + n : sum),
      0,
    );
    expect(all).toBeGreaterThanOrEqual(6);
    expect(await text('#overview')).toContain('create1000');
    expect(await text('#overview')).toContain('read2200');
    expect(await text('#hit-rate')).toBe(`${((cached / all) * 100).toFixed(1)} %`);
    expect(await text('#read-count')).toContain(`of ${all} reads`);
    const times = stats.buckets
      .map(({ latency }) => latency)
      .reduce((sum, list) => list.map((n, i) => n + (sum[i] ?? 0)), []);
    const median = times.findIndex((_, i) => times.slice(0, i + 1).reduce((sum, n) => sum + n, 0) >= all / 2);
    expect(await text('#latency-p50')).toContain(`${stats.latencyBoundsMs[median]} ms, of ${all} reads`);
    const changes = stats.buckets.reduce((sum, bucket) => sum + bucket.changes, 0);
    expect(await text('#overview .facts')).toContain(`changes${changes}`);
    const [pathOfLine] = await page.$$eval('#overview svg path.series', (paths) =>
      paths.map((one) => one.getAttribute('d')),
    );
    expect(pathOfLine).toMatch(/^M[\d.]+,[\d.]+/);
  });

  it('explains a key, and purges it', async () => {
    await withKey('entities/widget/north/a');
    await connect();
    await page.selectOption('#explain-what', { label: 'widget' });
    await page.fill('#part-region', 'north');
    await page.fill('#part-id', 'a');
    await page.check('#explain-source');
    await page.click('#explain-form button');
    await status('widget north/a: live');
    expect(await text('#verdict')).toContain('live');
    expect(await text('#explanation')).toContain('sameAsCachedtrue');
    await page.click('#explanation button:text("Drop")');
    await status('Purged: widget north/a');
    expect(await text('#verdict')).toContain('missing');
    expect(complaints).toEqual([]);
  });

  it('purges by tags once that is confirmed, and shows a problem as it is', async () => {
    await withKey('entities/widget/north/a');
    await connect();
    await page.click('#purge-form button');
    await status('No tag is given');
    await page.fill('#purge-tags', 'region:north');
    await page.check('input[value=drop]');
    await page.click('#purge-form button');
    await page.click('#confirm button[value=no]');
    expect((await withKey('ops/explain/widget/north/a')).json['verdict']).toBe('live');
    await page.click('#purge-form button');
    await confirm();
    await status('Purged whatever has the tag region:north');
    expect((await withKey('ops/explain/widget/north/a')).json['verdict']).toBe('purged');
    await page.fill('#purge-tags', 'x'.repeat(2000));
    await page.click('#purge-form button');
    await confirm();
    await status('tags must be a list of');
  });

  it('pauses a source and lets it go on', async () => {
    await connect();
    await page.click('#sources button:text("Pause")');
    await confirm();
    await status('are paused');
    expect(await text('#sources')).toContain('paused');
    const [source] = (await withKey('ops/sources')).json['sources'] as [{ state: string }];
    expect(source.state).toBe('paused');
    await page.click('#sources button:text("Resume")');
    await status('going on');
    expect((await withKey('ops/sources')).text).toContain('"paused":null');
  });

  it('warms an entity, and shows the job', async () => {
    await connect();
    await page.selectOption('#warm-entity', 'widget');
    await page.fill('#warm-rate', '1000');
    await page.click('#warm-form button');
    await status('Warming widget');
    const [job] = (await withKey('ops/warm')).json['jobs'] as [{ id: string; entity: string; unitsPerSecond: number }];
    expect(job).toMatchObject({ entity: 'widget', unitsPerSecond: 1000 });
    expect(await text('#warm tbody tr')).toContain('widget, all');
    expect(complaints).toEqual([]);
  });

  it('shows hostile dead letters as text; looks at them, replays and drops them', async () => {
    await until(async () => (Number((await withKey('ops/dead-letters')).json['total']) > 0 ? true : undefined));
    const source = `cosmos/COSMOS/shop/${HOSTILE}`;
    const letter = { source, entity: HOSTILE, key: HOSTILE, version: HOSTILE, reason: HOSTILE };
    await stack.redis.xadd('wf:warmfeed:dead', '*', ...Object.entries(letter).flat());
    await connect();
    const rows = page.locator('#letters tbody tr');
    expect(await rows.first().textContent()).toContain(HOSTILE);
    expect(await text('#letters')).toContain('this document is poison');
    await rows.first().getByText('Look').click();
    await page.waitForSelector('#letter h3');
    expect(await text('#letter')).toContain(HOSTILE);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toBe('Warmfeed console');
    await rows.first().getByText('Drop', { exact: true }).click();
    expect(await text('#confirm-text')).toContain(HOSTILE);
    await confirm();
    await status('is dropped');
    expect(await text('#letters')).not.toContain(`shop/${HOSTILE}`);
    await page.locator('#letters button', { hasText: 'Replay all' }).click();
    await status('failing still');
    await stack.widgets.items.upsert({ id: POISON, region: 'north', n: 2 });
    await page.locator('#letters button', { hasText: 'Replay all' }).click();
    await status('1 mended');
    expect(await text('#letters')).toContain('There are none');
    expect(complaints).toEqual([]);
  });

  it.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 390],
  ] as const)('is usable by all: %s, %i pixels wide', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    expect(await violations()).toEqual([]);
    await connect();
    await page.click('#overview summary');
    await page.selectOption('#explain-what', { label: 'widget' });
    await page.fill('#part-region', 'north');
    await page.fill('#part-id', 'a');
    await page.click('#explain-form button');
    await page.waitForSelector('#verdict');
    expect(await violations()).toEqual([]);
    // Nothing is cut off, and nothing makes the page wider than the screen.
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    await page.click('#sources button:text("Pause")');
    expect(await violations()).toEqual([]);
    await page.keyboard.press('Escape');
    await holds(`document.activeElement.textContent === 'Pause'`);
  });

  it('is operated by keyboard alone, and a refresh takes nobody’s place', async () => {
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    await page.keyboard.press('Tab');
    await page.keyboard.type(KEYS.master);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sources table');
    await page.focus('#sources button');
    const place = () => page.evaluate('document.activeElement.dataset.id');
    const before = await place();
    expect(before).toContain('turn/');
    await page.waitForResponse((response) => response.url().includes('/ops/sources'));
    const updated = await text('#updated');
    await holds(`document.querySelector('#updated').textContent !== ${JSON.stringify(updated)}`);
    expect(await place()).toBe(before);
  });

  /** Not by a script in the page, which its policy forbids. */
  async function violations(): Promise<string[]> {
    const session = await context.newCDPSession(page);
    await session.send('Runtime.evaluate', { expression: axe.source });
    const expression = 'axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(r.violations))';
    const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true });
    await session.detach();
    const found = JSON.parse(String(result.value)) as {
      id: string;
      nodes: { html: string; failureSummary: string }[];
    }[];
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
  }
});
