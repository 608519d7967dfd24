// How the parts of keys and the parameters of queries look in the OpenAPI document: a schema and an example a type.

import type { Key, KeyColumn } from '../../core/key.ts';
import type { Json } from './openapi-parts.ts';

interface Described {
  readonly schema: Json;
  readonly example: NonNullable<Key[number]>;
}

/** Whole numbers of 64 bits are text: JSON numbers of most clients lose their digits. */
const TYPES: Readonly<Record<KeyColumn['type'], Described>> = {
  text: { schema: { type: 'string' }, example: 'a1' },
  scalar: { schema: { type: 'string', minLength: 1 }, example: 'a1' },
  smallint: { schema: { type: 'integer', minimum: -32768, maximum: 32767 }, example: 1 },
  int: { schema: { type: 'integer', format: 'int32' }, example: 1 },
  bigint: { schema: { type: 'string', pattern: '^[+-]?[0-9]{1,19}$' }, example: '1' },
  number: { schema: { type: 'number' }, example: 1.5 },
  uuid: { schema: { type: 'string', format: 'uuid' }, example: '6f9619ff-8b86-d011-b42d-00c04fc964ff' },
  date: { schema: { type: 'string', format: 'date' }, example: '2026-11-25' },
  boolean: { schema: { type: 'boolean' }, example: true },
};

const WHOLE_OR_TEXT: Json = {
  type: ['integer', 'string'],
  pattern: '^-?[0-9]+$',
  description: 'Text where the column has 64 bits',
};

const LITERAL =
  'A string; what begins with "=" is a typed literal: =1, =true, =null, =undefined (the document lacks it), ="=x".';

/** The names of columns as a path template can have them, each once. */
export function segmentNames(columns: readonly KeyColumn[]): readonly string[] {
  const names = columns.map(({ name }) => name.replace(/[^\w.-]/g, '_'));
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name}_${i + 1}`));
}

export function segmentParameters(columns: readonly KeyColumn[]): Json[] {
  const names = segmentNames(columns);
  return columns.map((column, i) => {
    const { schema, example } = TYPES[column.type];
    const form = column.type === 'text' ? { ...schema, minLength: 1 } : schema;
    const described = column.type === 'scalar' ? { description: LITERAL } : {};
    return { name: names[i], in: 'path', required: true, ...described, schema: form, example };
  });
}

export function queryParameters(params: readonly KeyColumn[]): Json[] {
  return params.map(({ name, type }) => ({ name, in: 'query', required: true, ...TYPES[type] }));
}

/** A key in a batch: its parts as JSON values. */
export function keySchema(columns: readonly KeyColumn[]): Json {
  const prefixItems = columns.map(({ name, type }) => ({ title: name, ...valueSchema(type) }));
  return { type: 'array', prefixItems, items: false, minItems: columns.length, maxItems: columns.length };
}

export function keyExample(columns: readonly KeyColumn[]): readonly unknown[] {
  return columns.map(({ type }) => TYPES[type].example);
}

/** What a document has of its key. A column may be wider than the type that its values are asked by. */
const COLUMNS: Readonly<Partial<Record<KeyColumn['type'], Json>>> = {
  scalar: { description: 'Of the partition key: a string, a number, a boolean, null, or not there' },
  smallint: WHOLE_OR_TEXT,
  int: WHOLE_OR_TEXT,
  bigint: WHOLE_OR_TEXT,
};

export function documentSchema(columns: readonly KeyColumn[]): Json {
  const properties = columns.map(({ name, type }) => [name, COLUMNS[type] ?? TYPES[type].schema]);
  const required = columns.filter(({ type }) => type !== 'scalar').map(({ name }) => name);
  return { type: 'object', properties: Object.fromEntries(properties) as Json, required };
}

export function documentExample(columns: readonly KeyColumn[]): Json {
  return Object.fromEntries(columns.map(({ name, type }) => [name, TYPES[type].example]));
}

function valueSchema(type: KeyColumn['type']): Json {
  if (type === 'text') return { type: 'string', minLength: 1 };
  if (type !== 'scalar') return TYPES[type].schema;
  return {
    description: '{} is a partition key that the document lacks',
    anyOf: [{ type: ['string', 'number', 'boolean', 'null'] }, { type: 'object', maxProperties: 0 }],
  };
}
