// Puts the figures of a run into docs/performance.md, between its marks, and draws its plots.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bar, bars } from './plot.ts';
import { type Figure, markdown, type Report } from './report.ts';

const DOCS = join(import.meta.dirname, '../docs');

export function writeDocs({ machine, sections }: Report): void {
  const file = join(DOCS, 'performance.md');
  let text = readFileSync(file, 'utf8');
  mkdirSync(join(DOCS, 'img'), { recursive: true });
  const said = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  text = between(text, 'machine', `${said.join(' · ')}.`);
  for (const section of sections) {
    text = between(text, section.name, markdown(section));
    const plot = PLOTS[section.name];
    const drawn = plot?.bars(section.figures) ?? [];
    if (plot !== undefined && drawn.length > 0) {
      writeFileSync(join(DOCS, 'img', `bench-${section.name}.svg`), bars(plot.title, drawn, plot.unit));
    }
  }
  writeFileSync(file, text);
}

/** What stands between `<!-- name -->` and `<!-- / -->`. @throws without that mark */
function between(text: string, name: string, content: string): string {
  const open = `<!-- ${name} -->\n`;
  const at = text.indexOf(open);
  const end = text.indexOf('<!-- / -->', at);
  if (at < 0 || end < 0) throw new Error(`docs/performance.md has no place for ${name}`);
  return `${text.slice(0, at + open.length)}${content}\n${text.slice(end)}`;
}

interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly bars: (figures: readonly Figure[]) => readonly Bar[];
}

const median = (what: string) => (figures: readonly Figure[]) =>
  figures.flatMap((figure): Bar[] => {
    if (!figure.what.includes(what)) return [];
    const name = figure.what.split(',')[0] ?? '';
    return [{ name: name === 'hit' ? 'Warmfeed' : name, value: figure.value.median, isMarked: name === 'hit' }];
  });

const PLOTS: Readonly<Record<string, Plot>> = {
  peers: { title: 'Hits a second, 1,000 bytes, 64 in flight', unit: '', bars: median('1000 bytes') },
  hit: {
    title: 'A hit as a share of a bare auto-pipelined GET',
    unit: '',
    bars: (figures) =>
      figures.flatMap(({ what, ratio }) =>
        ratio === undefined || !what.startsWith('hit')
          ? []
          : [{ name: what.slice(5), value: ratio.median, isMarked: true }],
      ),
  },
  stampede: {
    title: 'Source reads of 10,000 requests for one cold key, 8 processes',
    unit: '',
    bars: (figures) =>
      figures.map(({ what, value }) => {
        const name = what.split(', ').at(-1) ?? '';
        return { name, value: value.median, isMarked: name === 'warmfeed' };
      }),
  },
  lag: {
    title: 'From commit to visible, p99',
    unit: ' ms',
    bars: (figures) =>
      figures.map(({ what, also }) => ({
        name: what.replace('commit to visible, ', '').replace(' changes a second asked for', '/s'),
        value: also?.['p99 ms'] ?? 0,
        isMarked: true,
      })),
  },
};
