// Preconditions of requests for something with an ETag and a date (RFC 9110 section 13), in their order of precedence.

export interface Validators {
  /** A strong one, with its quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch, whole seconds. */
  readonly modifiedMs: number;
}

interface Fields {
  get(name: string): string | null;
}

/** For GET and HEAD of what exists (RFC 9110 section 13.2.2, steps 1 to 4). */
export function preconditions(headers: Fields, { etag, modifiedMs }: Validators): 200 | 304 | 412 {
  const ifMatch = headers.get('if-match');
  const unmodifiedSince = httpDate(headers.get('if-unmodified-since'));
  if (ifMatch !== null) {
    if (!lists(ifMatch, etag, 'strong')) return 412;
  } else if (unmodifiedSince !== undefined && modifiedMs > unmodifiedSince) return 412;
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== null) return lists(ifNoneMatch, etag, 'weak') ? 304 : 200;
  const modifiedSince = httpDate(headers.get('if-modified-since'));
  return modifiedSince !== undefined && modifiedMs <= modifiedSince ? 304 : 200;
}

/**
 * Whether a Range may be applied (step 5): If-Range by strong comparison. A date is a strong validator only once the
 * second that it names is over (RFC 9110 section 8.8.2.2).
 */
export function rangeApplies(headers: Fields, { etag, modifiedMs }: Validators, nowMs: number): boolean {
  const field = headers.get('if-range')?.trim();
  if (field === undefined) return true;
  if (field.endsWith('"')) return field === etag;
  return httpDate(field) === modifiedMs && nowMs - modifiedMs >= 1000;
}

/** Whether a list of entity tags, or `*`, names this one. Malformed members name nothing. */
export function lists(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true;
  for (const [, tag] of field.matchAll(TAGS)) {
    if (tag === etag || (comparison === 'weak' && tag === `W/${etag}`)) return true;
  }
  return false;
}

const TAGS = /(?:^|,)[ \t]*((?:W\/)?"[^"]*")[ \t]*(?=,|$)/g;

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)';
/** IMF-fixdate, RFC 850 and asctime (RFC 9110 section 5.6.7). */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/** Milliseconds since the epoch; undefined for what is no HTTP-date, which is to be ignored. */
export function httpDate(field: string | null): number | undefined {
  const text = field?.trim() ?? '';
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups;
    if (parts === undefined) continue;
    const [day, hour, minute, second] = ['day', 'hour', 'minute', 'second'].map((name) => Number(parts[name]));
    if (hour === undefined || hour > 23 || minute === undefined || minute > 59 || second === undefined || second > 60)
      return undefined;
    const midnight = new Date(0);
    midnight.setUTCFullYear(yearOf(parts['year'] ?? ''), MONTHS.indexOf(parts['month'] ?? ''), day);
    // There is no 31st of February.
    if (midnight.getUTCDate() !== day) return undefined;
    return midnight.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
  }
  return undefined;
}

/** Two digits mean the nearest such year that is not more than 50 years ahead. */
function yearOf(text: string): number {
  if (text.length === 4) return Number(text);
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + Number(text);
  return year > now + 50 ? year - 100 : year;
}
