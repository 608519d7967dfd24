// The Event Grid trigger by which changed blobs are dropped from the cache: which events say what, and of which blobs.

import { app, type EventGridEvent } from '@azure/functions';
import type { ContentChanges } from '../core/content/content-changes.ts';

/** Names that an event may be about; `all`: too many to tell. */
export type ChangedBlobs = readonly string[] | 'all';

export function registerContentEvents(changes: ContentChanges, container: string): void {
  app.eventGrid('content-events', {
    // Whatever it throws, Event Grid delivers the event again, for a day.
    handler: async (event: EventGridEvent) => {
      const changed = changedBlobs(event, container);
      if (changed === 'all') await changes.dropAll();
      else await changes.dropBlobs(changed);
    },
  });
}

/** In the Event Grid schema or as a CloudEvent; nothing for an event of another kind or container. */
export function changedBlobs(event: unknown, container: string): ChangedBlobs {
  const { eventType, type, subject, data } = Object(event) as Record<string, unknown>;
  const kind = /^Microsoft\.Storage\.(Blob|Directory)(Created|Deleted|Renamed|TierChanged)$/.exec(
    String(eventType ?? type),
  );
  if (kind === null) return [];
  const { url, sourceUrl, destinationUrl } = Object(data) as Record<string, unknown>;
  const prefix = `/blobServices/default/containers/${container}/blobs/`;
  const names = [url, sourceUrl, destinationUrl].flatMap((each) => nameInUrl(each, container));
  if (typeof subject === 'string' && subject.startsWith(prefix)) names.push(subject.slice(prefix.length));
  // A new folder has nothing in it.
  if (kind[1] === 'Directory') return names.length > 0 && kind[2] !== 'Created' ? 'all' : [];
  return [...new Set(names)];
}

/** Of `https://<account>.blob…/<container>/<name>`, also where the account stands in the path, as in emulators. */
function nameInUrl(url: unknown, container: string): string[] {
  const path = typeof url === 'string' ? URL.parse(url)?.pathname : undefined;
  const found = path?.split('/').slice(1) ?? [];
  return [found, found.slice(1)].flatMap(([first, ...rest]) => {
    if (first !== container || rest.length === 0) return [];
    try {
      return [decodeURIComponent(rest.join('/'))];
    } catch {
      return [];
    }
  });
}
