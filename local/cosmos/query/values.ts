/** How Cosmos DB compares values: by type first, never by coercion; what has no answer is undefined. */
const order = ['undefined', 'null', 'boolean', 'number', 'string', 'array', 'object'];

export const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};

const deepEqual = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((value, index) => deepEqual(value, b[index]));
  if (typeOf(a) !== 'object' || typeOf(b) !== 'object') return false;
  const [left, right] = [Object.entries(a as object), b as Record<string, unknown>];
  return (
    left.length === Object.keys(right).length &&
    left.every(([name, value]) => Object.hasOwn(right, name) && deepEqual(value, right[name]))
  );
};

export const equal = (a: unknown, b: unknown): boolean | undefined =>
  a === undefined || b === undefined ? undefined : deepEqual(a, b);

/** Every property of `part` is in `whole`, deeply: ARRAY_CONTAINS with its third argument. */
export const includes = (whole: unknown, part: unknown): boolean =>
  typeOf(whole) === 'object' && typeOf(part) === 'object'
    ? Object.entries(part as object).every(([name, value]) => includes((whole as Record<string, unknown>)[name], value))
    : deepEqual(whole, part);

export const compare = (operator: string, a: unknown, b: unknown): boolean | undefined => {
  const type = typeOf(a);
  if (type !== typeOf(b) || type === 'undefined' || type === 'object' || type === 'array') return undefined;
  const [left, right] = [a as number, b as number];
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
};

/** For ORDER BY, MIN and MAX. */
export const rank = (a: unknown, b: unknown): number => {
  const [left, right] = [order.indexOf(typeOf(a)), order.indexOf(typeOf(b))];
  if (left !== right) return left - right;
  if (left >= order.indexOf('array') || a === b) return 0;
  return (a as number) < (b as number) ? -1 : 1;
};

export const and = (a: unknown, b: unknown): boolean | undefined => {
  if (a === false || b === false) return false;
  return a === true && b === true ? true : undefined;
};

export const or = (a: unknown, b: unknown): boolean | undefined => {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : undefined;
};

export const arithmetic = (operator: string, a: unknown, b: unknown): unknown => {
  if (operator === '||') return typeof a === 'string' && typeof b === 'string' ? a + b : undefined;
  if (typeof a !== 'number' || typeof b !== 'number') return undefined;
  const result = calculate(operator, a, b);
  return Number.isFinite(result) ? result : undefined;
};

const calculate = (operator: string, a: number, b: number): number => {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    case '|':
      return a | b;
    case '&':
      return a & b;
    case '^':
      return a ^ b;
    case '<<':
      return a << b;
    case '>>':
      return a >> b;
    case '>>>':
      return a >>> b;
    default:
      return Number.NaN;
  }
};
