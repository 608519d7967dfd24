// JSON whose numbers keep their digits: one that a JavaScript number would change is kept as its own text, which
// JSON.stringify writes back (TC39 JSON.rawJSON). All others are ordinary numbers.

/** A number of more than 15 digits, or with an exponent. */
const CAN_LOSE_DIGITS = /\d[\d.]{15}|\d[eE]/;

interface RawJson {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
}

const json = JSON as unknown as RawJson;

/** @throws SyntaxError for what is no JSON */
export function parseExactly(text: string): unknown {
  if (!CAN_LOSE_DIGITS.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    return decimal(source) === decimal(String(value)) ? value : json.rawJSON(source);
  });
}

/** One text for each decimal value. */
function decimal(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}
