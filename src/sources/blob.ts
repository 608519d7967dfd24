// Azure Blob Storage behind the core's BlobSource: which requests it takes, and what its errors mean. The SDK is loaded
// with the first of them.

import type { BlobClient, ContainerClient, RestError } from '@azure/storage-blob';
import mime from 'mime';
import type { Blob, BlobSource, Slice } from '../core/content/content.ts';
import { isWarmfeedError, messageOf, WarmfeedError } from '../core/errors.ts';

export interface BlobSourceOptions {
  readonly connectionName: string;
  readonly connection:
    | { readonly connectionString: string }
    | { readonly endpoint: string; readonly clientId: string | undefined };
  readonly container: string;
  /** Of one request; the SDK tries twice. */
  readonly requestTimeoutMs: number;
}

/** Every call throws WarmfeedError SOURCE_*; limits are its guard's. */
export function createBlobSource(options: BlobSourceOptions): BlobSource {
  const name = `blob/${options.connectionName}/${options.container}`;
  let connecting: Promise<ContainerClient> | undefined;
  const container = () => (connecting ??= connect(options));
  const blobOf = async (blob: string): Promise<BlobClient> => (await container()).getBlobClient(blob);

  async function call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw sourceError(name, error);
    }
  }

  /** @param expected statuses that are answers, not failures */
  async function ask<T, S extends number>(expected: readonly S[], work: () => Promise<T>): Promise<T | S> {
    try {
      return await work();
    } catch (error) {
      const status = expected.find((each) => each === (error as RestError).statusCode);
      if (status === undefined || codeOf(error) === 'ContainerNotFound') throw sourceError(name, error);
      return status;
    }
  }

  return {
    name,

    async head(blob, { signal }) {
      const found = await ask([404], async () => (await blobOf(blob)).getProperties(abortable(signal)));
      return found === 404 || isFolder(found) ? undefined : describe(blob, found);
    },

    async read(blob, { known, maxBytes, signal }) {
      const conditions = known === undefined ? {} : { ifNoneMatch: known };
      const conditional = { conditions, ...abortable(signal), maxRetryRequests: 1 };
      const found = await ask([304, 404], async () => (await blobOf(blob)).download(0, undefined, conditional));
      if (found === 304) return 'unchanged';
      if (found === 404) return undefined;
      if (isFolder(found)) {
        abandon(found.readableStreamBody);
        return undefined;
      }
      const described = describe(blob, found);
      if (described.size > maxBytes) {
        abandon(found.readableStreamBody);
        return { blob: described, bytes: undefined };
      }
      return { blob: described, bytes: await call(() => drain(found.readableStreamBody, described.size)) };
    },

    async slice(blob, { etag, offset, length, signal }: Slice) {
      const conditional = { conditions: { ifMatch: etag }, ...abortable(signal), maxRetryRequests: 1 };
      const found = await ask([404, 412], async () => (await blobOf(blob)).download(offset, length, conditional));
      if (found === 404 || found === 412) return 'changed';
      return call(() => drain(found.readableStreamBody, length));
    },

    async check() {
      await call(async () => (await container()).getProperties());
    },
  };
}

async function connect({ connection, container, requestTimeoutMs }: BlobSourceOptions): Promise<ContainerClient> {
  const { BlobServiceClient } = await import('@azure/storage-blob');
  // Retrying is for hiccups; beyond that, stale values and the breaker serve better.
  const options = {
    retryOptions: { maxTries: 2, retryDelayInMs: 50, maxRetryDelayInMs: 200, tryTimeoutInMs: requestTimeoutMs },
  };
  if ('connectionString' in connection) {
    return BlobServiceClient.fromConnectionString(connection.connectionString, options).getContainerClient(container);
  }
  const { DefaultAzureCredential } = await import('@azure/identity');
  const { clientId } = connection;
  const credential = new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId });
  return new BlobServiceClient(connection.endpoint, credential, options).getContainerClient(container);
}

interface Properties {
  readonly etag?: string;
  readonly contentLength?: number;
  readonly lastModified?: Date;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
}

/** Accounts with a hierarchical namespace show a folder as an empty blob. */
function isFolder({ metadata }: { readonly metadata?: Record<string, string> }): boolean {
  return metadata?.['hdi_isfolder'] === 'true';
}

const UNTYPED = 'application/octet-stream';

function describe(name: string, properties: Properties): Blob {
  const { contentType, contentEncoding, contentLanguage, contentDisposition } = properties;
  return {
    etag: properties.etag ?? '',
    size: properties.contentLength ?? 0,
    modifiedMs: properties.lastModified?.getTime() ?? 0,
    // What an upload without a type gets, says nothing.
    type: contentType && contentType !== UNTYPED ? contentType : typeByName(name),
    encoding: contentEncoding || undefined,
    language: contentLanguage || undefined,
    disposition: contentDisposition || undefined,
  };
}

function typeByName(name: string): string {
  const type = mime.getType(name) ?? UNTYPED;
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}

async function drain(stream: NodeJS.ReadableStream | undefined, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const chunk of stream ?? []) {
    bytes.set(chunk as Buffer, at);
    at += (chunk as Buffer).length;
  }
  if (at !== size) throw new Error(`${at} of ${size} bytes came`);
  return bytes;
}

function abandon(stream: NodeJS.ReadableStream | undefined): void {
  stream?.on('error', () => undefined);
  (stream as { destroy?: () => void } | undefined)?.destroy?.();
}

function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function codeOf(error: unknown): string {
  const { code, response } = error as RestError;
  return response?.headers.get('x-ms-error-code') ?? code ?? '';
}

/** Without the SDK's error as cause: it carries the request, and so its authorization. */
function sourceError(source: string, error: unknown): WarmfeedError {
  if (isWarmfeedError(error)) return error;
  const status = (error as RestError).statusCode;
  const text = `${source}: ${status ?? ''} ${codeOf(error)} ${status === undefined ? messageOf(error).slice(0, 200) : ''}`;
  if (status === 429 || (status === 503 && codeOf(error) === 'ServerBusy')) {
    return new WarmfeedError('SOURCE_THROTTLED', text, { retryable: true });
  }
  if (status === undefined || status === 408 || status >= 500 || codeOf(error) === 'ContainerNotFound') {
    return new WarmfeedError('SOURCE_UNAVAILABLE', text, { retryable: true });
  }
  return new WarmfeedError('SOURCE_REJECTED', text);
}
