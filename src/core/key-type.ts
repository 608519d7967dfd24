// Types of key columns that have more than one spelling of a value: each spelling becomes one canonical text, or none.

interface KeyTypeRule {
  /** What a value must be, for messages. */
  readonly form: string;
  /** Undefined: not a value of the type. */
  readonly parse: (text: string) => string | undefined;
}

const whole = (bits: bigint, form: string): KeyTypeRule => ({
  form,
  parse: (text) => {
    // Bounded before it becomes a number: a stranger may send a million digits.
    if (!/^[+-]?\d{1,40}$/.test(text)) return undefined;
    const value = BigInt(text.replace('+', ''));
    const limit = 2n ** (bits - 1n);
    return value >= -limit && value < limit ? String(value) : undefined;
  },
});

export const KEY_TYPES = {
  smallint: whole(16n, 'a whole number of 16 bits'),
  int: whole(32n, 'a whole number of 32 bits'),
  bigint: whole(64n, 'a whole number of 64 bits'),
  number: {
    form: 'a number such as 1.5',
    parse: (text) => {
      const value = /^[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(value) ? String(value === 0 ? 0 : value) : undefined;
    },
  },
  uuid: {
    form: 'a UUID such as 6f9619ff-8b86-d011-b42d-00c04fc964ff',
    parse: (text) => (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text) ? text.toLowerCase() : undefined),
  },
  date: { form: 'a date such as 2026-11-25', parse: (text) => (isDate(text) ? text : undefined) },
  boolean: { form: 'true or false', parse: (text) => (text === 'true' || text === 'false' ? text : undefined) },
} as const satisfies Record<string, KeyTypeRule>;

export type KeyType = keyof typeof KEY_TYPES;

/** The one text of a value: `007` and `+7` are the int `7`; undefined: not a value of the type. */
export function canonical(type: KeyType, text: string): string | undefined {
  return KEY_TYPES[type].parse(text);
}

function isDate(text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  const [year = 0, month = 0, day = 0] = parts?.slice(1).map(Number) ?? [];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= ([31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0);
}
