/** The inline constraints of route parameters, `{id:int}`, `{name:length(2,4)}`; an unknown one is an error of the route. */
export type Constraint = (value: string) => boolean;

const within = (value: string, minimum: bigint, maximum: bigint): boolean =>
  /^[+-]?\d+$/.test(value) && BigInt(value.replace('+', '')) >= minimum && BigInt(value.replace('+', '')) <= maximum;

const int64 = { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n };
const number: Constraint = (value) => /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(value);

const plain: Record<string, Constraint> = {
  int: (value) => within(value, -(2n ** 31n), 2n ** 31n - 1n),
  long: (value) => within(value, int64.minimum, int64.maximum),
  bool: (value) => /^(true|false)$/i.test(value),
  guid: (value) => /^\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(value),
  alpha: (value) => /^[a-z]*$/i.test(value),
  decimal: number,
  double: number,
  float: number,
  datetime: (value) => !Number.isNaN(Date.parse(value)),
  required: (value) => value !== '',
};

const withArguments: Record<string, (argument: string) => Constraint> = {
  min: (a) => (value) => within(value, BigInt(a), int64.maximum),
  max: (a) => (value) => within(value, int64.minimum, BigInt(a)),
  range: (a) => (value) => within(value, BigInt(a.split(',')[0] ?? '0'), BigInt(a.split(',')[1] ?? '0')),
  minlength: (a) => (value) => value.length >= Number(a),
  maxlength: (a) => (value) => value.length <= Number(a),
  length: (a) => {
    const [minimum = 0, maximum = minimum] = a.split(',').map(Number);
    return (value) => value.length >= minimum && value.length <= maximum;
  },
  regex: (a) => {
    const pattern = new RegExp(a.replaceAll('{{', '{').replaceAll('}}', '}'), 'i');
    return (value) => pattern.test(value);
  },
};

export function constraintOf(text: string): Constraint {
  const [, name = '', argument] = /^(\w+)(?:\((.*)\))?$/.exec(text) ?? [];
  const found = argument === undefined ? plain[name.toLowerCase()] : withArguments[name.toLowerCase()]?.(argument);
  if (!found) throw new Error(`The constraint '${text}' is not known.`);
  return found;
}
