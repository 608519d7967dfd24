/** What a user sees: tables of text that cannot steer the terminal, whatever a document says. */

/** Controls as escapes: what is shown comes out of documents and requests. */
export function safe(value: unknown): string {
  const text = value === null || value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export const say = (text = ''): void => void process.stdout.write(`${text}\n`);

export function columns(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const texts = [head, ...rows.map((row) => row.map(safe))];
  const widths = head.map((_, i) => Math.max(...texts.map((row) => row[i]?.length ?? 0)));
  return texts
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
    .join('\n');
}

/** Names and values, one a line; nested ones below their name. */
export function fields(object: Readonly<Record<string, unknown>>, indent = ''): string {
  const width = Math.max(...Object.keys(object).map((name) => name.length));
  return Object.entries(object)
    .map(([name, value]) => {
      const isNested = typeof value === 'object' && value !== null && !Array.isArray(value);
      return isNested
        ? `${indent}${name}\n${fields(value as Record<string, unknown>, `${indent}  `)}`
        : `${indent}${name.padEnd(width)}  ${safe(value)}`;
    })
    .join('\n');
}

/** One line that is written over, on a terminal only. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function bar(done: number, total: number): string {
  const width = 24;
  const filled = total === 0 ? width : Math.round((Math.min(done, total) / total) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}
