// The system as it is, or with a rule knocked out: an edit of the sources, bundled anew. An edit whose text is no longer
// there is an error, so that no knock-out is lost.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type * as system from './system.ts';

export type System = typeof system;

export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @throws Error where an edit does not apply, exactly once */
export async function loadSystem(edits: readonly Edit[] = []): Promise<System> {
  if (edits.length === 0) return import('./system.ts');
  const unused = new Set(edits);
  const { outputFiles } = await build({
    entryPoints: [`${ROOT}test/model/explorer/system.ts`],
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
              contents = edited(contents, edit);
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
  return import(/* @vite-ignore */ `data:text/javascript;base64,${source}`) as Promise<System>;
}

function edited(text: string, { file, from, to }: Edit): string {
  if (text.split(from).length !== 2) throw new Error(`${file} has not exactly one: ${from}`);
  return text.replace(from, () => to);
}
