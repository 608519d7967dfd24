// The system as it is, or with a rule knocked out: an edit of the sources, bundled anew. An edit whose text is no longer
// there is an error, so that no knock-out is lost.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type * as sessions from './sessions-system.ts';
import type * as system from './system.ts';

export type System = typeof system;
export type SessionsSystem = typeof sessions;

export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @throws Error where an edit does not apply, exactly once */
export async function loadSystem(edits: readonly Edit[] = []): Promise<System> {
  return edits.length === 0 ? import('./system.ts') : edited<System>('system.ts', edits);
}

/** @throws Error where an edit does not apply, exactly once */
export async function loadSessionsSystem(edits: readonly Edit[] = []): Promise<SessionsSystem> {
  return edits.length === 0 ? import('./sessions-system.ts') : edited<SessionsSystem>('sessions-system.ts', edits);
}

async function edited<T>(entry: string, edits: readonly Edit[]): Promise<T> {
  const unused = new Set(edits);
  const { outputFiles } = await build({
    entryPoints: [`${ROOT}test/model/explorer/${entry}`],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'knock-out',
        setup(bundle) {
          bundle.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            let contents = await readFile(path, 'utf8');
            for (const edit of edits.filter(({ file }) => path === ROOT + file)) {
              contents = changed(contents, edit);
              unused.delete(edit);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  for (const { file } of unused) throw new Error(`${file} is no part of what is explored`);
  const source = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64');
  return import(/* @vite-ignore */ `data:text/javascript;base64,${source}`) as Promise<T>;
}

function changed(text: string, { file, from, to }: Edit): string {
  if (text.split(from).length !== 2) throw new Error(`${file} has not exactly one: ${from}`);
  return text.replace(from, () => to);
}
