// One text for equal values: what states, calls and replies are told apart by.

import { hex } from '../../../src/core/bytes.ts';

export function textOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'object' && value !== null ? objectText(value) : String(value);
}

function objectText(value: object): string {
  if (value instanceof Uint8Array) return `0x${hex(value)}`;
  if (value instanceof AbortSignal) return 'signal';
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (value instanceof Map || value instanceof Set) return `{${textOf([...value])}}`;
  if (value instanceof Error) return `Error(${value.message})`;
  return `{${Object.entries(value)
    .filter(([, member]) => member !== undefined && typeof member !== 'function')
    .map(([name, member]) => `${name}:${textOf(member)}`)
    .join(',')}}`;
}

/** Small numbers for values, by their text. */
export class Pool<T> {
  readonly values: T[] = [];
  readonly #ids = new Map<string, number>();

  idOf(value: T, text = textOf(value)): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    this.values.push(value);
    this.#ids.set(text, this.values.length - 1);
    return this.values.length - 1;
  }

  at(id: number): T {
    return this.values[id] as T;
  }
}
