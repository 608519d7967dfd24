// Which bytes a Range header asks for (RFC 9110 section 14), and the bodies of answers with several parts.

/** First and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** More parts than that, and the whole is sent instead (RFC 9110 section 14.2 warns of such requests). */
const MOST_PARTS = 16;
/** What a part costs beside its bytes: ranges that are nearer than that are sent as one. */
const PART_OVERHEAD = 80;

/**
 * @returns the ranges to send, apart from one another and in the order asked for; `ignored`: no valid byte ranges, or
 * too many, so the answer is the whole; `unsatisfiable`: none of them has a byte
 */
export function parseRange(field: string | null, size: number): readonly ByteRange[] | 'ignored' | 'unsatisfiable' {
  const set = /^\s*bytes\s*=(.*)$/i.exec(field ?? '')?.[1];
  if (set === undefined) return 'ignored';
  const specs = set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length === 0 || specs.length > MOST_PARTS) return 'ignored';
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const [, from, to] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (from === undefined || to === undefined || (from === '' && to === '')) return 'ignored';
    if (from !== '' && to !== '' && Number(to) < Number(from)) return 'ignored';
    // A suffix of nothing is the one that has no byte; of an empty representation any suffix is all of it.
    if (from === '' && size === 0 && Number(to) > 0) return 'ignored';
    const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
    const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
    if (first <= last) ranges.push({ first, last });
  }
  return ranges.length === 0 ? 'unsatisfiable' : coalesce(ranges);
}

/** Ranges that overlap or nearly touch become one, at the place of the first of them. */
function coalesce(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of ranges) {
    let { first, last } = range;
    let place = merged.length;
    for (let i = merged.length - 1; i >= 0; i--) {
      const other = merged[i];
      if (other === undefined || other.first > last + PART_OVERHEAD || first > other.last + PART_OVERHEAD) continue;
      first = Math.min(first, other.first);
      last = Math.max(last, other.last);
      merged.splice(i, 1);
      place = i;
      // It may have grown into others that it did not touch before.
      i = merged.length;
    }
    merged.splice(Math.min(place, merged.length), 0, { first, last });
  }
  return merged;
}

/** The bytes of at most `most`, as the beginning of the first range where all are more: a subset is a valid answer. */
export function limitRanges(ranges: readonly ByteRange[], most: number): readonly ByteRange[] {
  const [head] = ranges;
  const total = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (head === undefined || total <= most) return ranges;
  return [{ first: head.first, last: Math.min(head.last, head.first + most - 1) }];
}

export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}

/** The body of `multipart/byteranges` (RFC 9110 section 14.6). */
export function multipart(
  parts: readonly { readonly range: ByteRange; readonly bytes: Uint8Array }[],
  { size, type, boundary }: { size: number; type: string; boundary: string },
): Uint8Array {
  const chunks = parts.flatMap(({ range, bytes }) => [
    Buffer.from(`\r\n--${boundary}\r\ncontent-type: ${type}\r\ncontent-range: ${contentRange(range, size)}\r\n\r\n`),
    bytes,
  ]);
  return Buffer.concat([...chunks, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}
