// A headless Chromium of this machine, for tests of pages.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Its path; undefined: there is none, and none is required. @throws where REQUIRE_BROWSER asks for one */
export function findBrowser(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
  if (found === undefined && process.env['REQUIRE_BROWSER'] === '1')
    throw new Error('there is no Chromium on the PATH');
  return found;
}

export function startBrowser(executablePath: string): Promise<Browser> {
  // Root, as in containers of CI, has no sandbox.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
