/** The countries' flags and borders of the npm package `world-countries`, and a page that shows them, as blobs. What is there already is left alone. */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { BlobServiceClient } from '@azure/storage-blob';

export const contentContainer = 'content';
const concurrency = 16;

interface Upload {
  name: string;
  type: string;
  bytes: () => Promise<Buffer>;
}

/** Resolves to the number of blobs written. */
export async function seedContent(connectionString: string): Promise<number> {
  const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(contentContainer);
  const [uploads, page] = await Promise.all([files(), pageFiles(), container.createIfNotExists()]);
  const there = new Set<string>();
  for await (const { name } of container.listBlobsFlat()) there.add(name);
  const queue = [...uploads, ...page].filter(({ name }) => !there.has(name));
  const { length } = queue;
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const bytes = await next.bytes();
      const client = container.getBlockBlobClient(next.name);
      await client.upload(bytes, bytes.length, { blobHTTPHeaders: { blobContentType: next.type } });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return length;
}

async function files(): Promise<Upload[]> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('world-countries/package.json')), 'data');
  const names = await readdir(folder);
  return names.flatMap((name) => {
    const bytes = (): Promise<Buffer> => readFile(join(folder, name));
    if (name.endsWith('.svg')) return [{ name: `flags/${name}`, type: 'image/svg+xml', bytes }];
    if (!name.endsWith('.geo.json')) return [];
    const plain = { name: `borders/${name}`, type: 'application/geo+json', bytes };
    // Beside the plain one, as a build step of a web site would leave them.
    return [
      { ...plain, name: `${plain.name}.br`, bytes: async () => brotli(await bytes(), { params: brotliQuality }) },
      { ...plain, name: `${plain.name}.gz`, bytes: async () => promisify(gzip)(await bytes()) },
      plain,
    ];
  });
}

const types: Record<string, string> = { html: 'text/html', css: 'text/css', js: 'text/javascript' };

async function pageFiles(): Promise<Upload[]> {
  const folder = new URL('page/', import.meta.url);
  const names = await readdir(folder);
  return names.map((name) => ({
    name: `page/${name}`,
    type: `${types[name.split('.').at(-1) ?? ''] ?? 'text/plain'}; charset=utf-8`,
    bytes: () => readFile(new URL(name, folder)),
  }));
}

const brotli = promisify(brotliCompress);
const brotliQuality = { [constants.BROTLI_PARAM_QUALITY]: 5 };
