// Static content, where it is configured.

import type { ResolvedContent } from '../config/resolve-content.ts';
import type { Settings } from '../config/settings.ts';
import { createContentChanges } from '../core/content/content-changes.ts';
import { createContentLoader } from '../core/content/content-load.ts';
import { createReaderOf, type ReaderDeps } from '../core/read/read.ts';
import type { OnRead } from '../core/read/read-outcome.ts';
import { registerContent } from '../functions/content.ts';
import { registerContentEvents } from '../functions/content-events.ts';
import type { HealthCheck } from '../functions/health.ts';
import { createBlobSource } from '../sources/blob.ts';
import { createLimit, type GuardLimits } from '../sources/guard.ts';
import { guardBlobs } from '../sources/guard-blobs.ts';

/** The content with its storage behind its guard; undefined: there is none. The generations must know it. */
export function openContent(definition: ResolvedContent | undefined, settings: Settings, limits: GuardLimits) {
  if (definition === undefined) return undefined;
  const large = createLimit({
    concurrency: settings.WARMFEED_CONTENT_LARGE_CONCURRENCY,
    queue: settings.WARMFEED_SOURCE_QUEUE,
    timeoutMs: settings.WARMFEED_CONTENT_LARGE_TIMEOUT,
  });
  const requestTimeoutMs = settings.WARMFEED_CONTENT_LARGE_TIMEOUT;
  const source = createBlobSource({ ...definition.source, requestTimeoutMs });
  const longestTtlMs = Math.max(definition.ttlMs, definition.notFoundTtlMs);
  return {
    ...definition,
    longestTtlMs,
    container: definition.source.container,
    source: guardBlobs(source, limits, large),
  };
}

export type OpenedContent = ReturnType<typeof openContent>;

interface ContentDeps extends ReaderDeps {
  readonly clientDirectives: 'honour' | 'ignore';
  readonly onRead: OnRead;
}

export function startContent(
  content: OpenedContent,
  deps: ContentDeps,
): { readonly checks: readonly HealthCheck[]; readonly drain: () => Promise<void> } {
  if (content === undefined) return { checks: [], drain: async () => undefined };
  const reader = createReaderOf(deps, { load: createContentLoader(deps) });
  const { clientDirectives, onRead } = deps;
  registerContent({ ...content, content, reader, clientDirectives, onRead });
  if (content.events) registerContentEvents(createContentChanges(content, deps), content.container);
  return {
    checks: [{ name: 'content', check: () => content.source.check().then(() => undefined) }],
    drain: () => reader.drain(),
  };
}
