// What one tick sends to a node goes out as one write. The client could gather commands itself (enableAutoPipelining), but
// sends nothing more until all replies of what it gathered before have come in: up to a round trip more for everybody.

import type { Redis } from 'ioredis';

/** To be called before each command. */
export function gather({ stream }: Redis): void {
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}
