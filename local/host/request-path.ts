/**
 * The path of a request as the real host hands it on: decoded by its web server, except for `%2F`, and encoded again for the
 * URL that the worker sees. It is not reversible: `%2520` arrives as `%20` and `%252F` as `%2F` (aspnetcore#14170).
 */

/** Decodes what is valid UTF-8 and leaves the rest, and every `%2F`, as it came. */
function decode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
    run
      .split(/(%2f)/i)
      .map((part) => {
        if (/^%2f$/i.test(part)) return part;
        try {
          return decodeURIComponent(part);
        } catch {
          return part;
        }
      })
      .join(''),
  );
}

function withoutDots(path: string): string {
  if (!/\/\.\.?(\/|$)/.test(path)) return path;
  const kept: string[] = [];
  const parts = path.split('/').slice(1);
  for (const [index, part] of parts.entries()) {
    if (part === '..') kept.pop();
    else if (part !== '.') kept.push(part);
    if ((part === '.' || part === '..') && index === parts.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** For routes. Undefined for a path that the web server refuses. */
export function decodedPath(raw: string): string | undefined {
  if (raw.includes('%00')) return undefined;
  return withoutDots(decode(raw));
}

/** For the URL: what looks like a percent-encoded character is left as it is, whatever it was before the decoding. */
export const encodedPath = (decoded: string): string =>
  decoded.replace(/%[0-9a-f]{2}|[^\w\-.~!$&'()*+,;=:@/]/giu, (found) =>
    found.length === 3 && found.startsWith('%') ? found : encodeURIComponent(found),
  );
