import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** Modules that export their text, as in the bundle (esbuild `--loader:.lua=text` and others). */
const texts = {
  name: 'texts',
  enforce: 'pre' as const,
  load: (id: string) =>
    /\.(lua|client\.js)$|\/src\/console\//.test(id)
      ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))}`
      : undefined,
};

/** On a busy CI machine a real server may be late once; what fails three times is broken. */
const retry = process.env['CI'] ? 2 : 0;

const project = (name: string, options: object = {}) => ({
  plugins: [texts],
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

export default defineConfig({
  test: {
    // Most of the time tests wait for servers.
    maxWorkers: '100%',
    globalSetup: 'test/support/global-setup.ts',
    projects: [
      // Nothing of what they test has state of its own.
      project('unit', { isolate: false, testTimeout: 20_000 }),
      project('contract', { retry, testTimeout: 20_000, hookTimeout: 60_000 }),
      project('infra', { testTimeout: 180_000, hookTimeout: 300_000 }),
      project('model', { testTimeout: 120_000 }),
      project('local', { retry, testTimeout: 20_000, hookTimeout: 60_000 }),
      project('e2e', { retry, testTimeout: 60_000, hookTimeout: 120_000 }),
      project('faults', { retry, testTimeout: 120_000, hookTimeout: 120_000 }),
    ],
  },
});
