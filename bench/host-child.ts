// A process of its own that hosts the app; it tells its URL, and its CPU time when asked.

import { startHost } from '../local/host/host.ts';

const { root, settings } = JSON.parse(process.argv[2] ?? '') as { root: string; settings: Record<string, string> };
const host = await startHost({ root, port: 0, settings, log: () => undefined });
process.on('message', () => process.send?.(process.cpuUsage()));
process.on('disconnect', () => process.exit());
process.send?.(host.url);
