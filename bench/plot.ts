// Bars as SVG, without a library: a name, a bar, a number each. Readable on light and on dark pages.

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Ours. */
  readonly isMarked?: boolean;
}

const WIDTH = 760;
const LABEL = 280;
const ROW = 26;
const HEAD = 40;

/** @param unit after each number, e.g. ` µs` */
export function bars(title: string, all: readonly Bar[], unit = ''): string {
  const most = Math.max(...all.map(({ value }) => value));
  const room = WIDTH - LABEL - 100;
  const rows = all.map(({ name, value, isMarked }, i) => {
    const y = HEAD + i * ROW;
    const width = Math.max(1, Math.round((value / most) * room));
    const text = value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
    return [
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LABEL}" y="${y + 3}" width="${width}" height="16" fill="${isMarked ? '#2f81f7' : '#8c959f'}"/>`,
      `<text x="${LABEL + width + 6}" y="${y + 15}">${escaped(text + unit)}</text>`,
    ].join('');
  });
  const height = HEAD + all.length * ROW + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    '<style>text{font:13px sans-serif;fill:#57606a}.title{font-weight:600}@media(prefers-color-scheme:dark){text{fill:#adbac7}}</style>',
    `<text class="title" x="8" y="20">${escaped(title)}</text>`,
    ...rows,
    '</svg>\n',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
