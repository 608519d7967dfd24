// A real storage emulator for tests: azurite on a free port, in memory, behind a proxy that remembers what the app asks
// for and can be cut; with a client that goes past the proxy.

import { request } from 'node:http';
import { BlobServiceClient } from '@azure/storage-blob';
import { startStorage } from '../../local/services/storage.ts';
import { startRecordingProxy } from './proxies.ts';

export async function startAzurite() {
  const service = await startStorage({ ports: [0, 0, 0] });
  await service.ready;
  const direct = service.settings['AzureWebJobsStorage'] ?? '';
  const container = BlobServiceClient.fromConnectionString(direct).getContainerClient('content');
  await container.createIfNotExists();
  const { origin, pathname } = new URL(container.url);
  const proxy = await startRecordingProxy(new URL(origin));
  return {
    container,
    proxy,
    /** For the app: through the proxy. */
    connection: direct.replaceAll(`${origin}/`, proxy.endpoint),
    async put(name: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body);
      await container.getBlockBlobClient(name).uploadData(bytes, { blobHTTPHeaders: headers });
    },
    /** Requests for a blob since the last time, as `GET name`. */
    taken(): string[] {
      const prefix = `${pathname}/`;
      return proxy.requests
        .splice(0)
        .filter(({ path }) => path.startsWith(prefix))
        .map(({ method, path }) => `${method} ${decodeURIComponent(path.slice(prefix.length).replace(/\?.*$/, ''))}`);
    },
    async stop() {
      proxy.close();
      await service.stop();
    },
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** A request with these headers and no others, its path as it is, and an answer whose body is not decoded. */
export function askRaw(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<RawAnswer> {
  const [, hostname = '', port = '', path = '/'] = /^http:\/\/([^:/]+):(\d+)(.*)$/.exec(url) ?? [];
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', reject);
      reply.on('end', () => {
        const entries = Object.entries(reply.headers).map(([name, value]) => [name, String(value)]);
        resolve({
          status: reply.statusCode ?? 0,
          headers: Object.fromEntries(entries) as RawAnswer['headers'],
          body: Buffer.concat(chunks),
        });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
