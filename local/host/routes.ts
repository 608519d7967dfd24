/**
 * Route templates as ASP.NET has them: `{name}`, `{name?}`, `{name=value}`, `{name:int}`, `file-{name}.json`, `{*rest}`; and
 * which of several matching templates wins.
 */
import { type Constraint, constraintOf } from './route-constraints.ts';

type Segment =
  | { kind: 'literal'; text: string }
  | { kind: 'parameter'; name: string; constraints: Constraint[]; optional: boolean; fallback: string | undefined }
  | { kind: 'mixed'; pattern: RegExp; parameters: { name: string; constraints: Constraint[] }[] }
  | { kind: 'rest'; name: string; constraints: Constraint[] };

export interface Template {
  text: string;
  segments: Segment[];
}

export type Params = Record<string, string>;

const parameterText = /^\{(\*{0,2})([^:?=}]+)((?::(?:[^():?=}]+)(?:\((?:[^()]|\{\{|\}\})*\))?)*)(?:=([^}]*?))?(\?)?\}$/;

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Splits at slashes outside braces. */
function split(text: string): string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '{') depth += 1;
    if (char === '}') depth -= 1;
    if (char === '/' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts.filter((part) => part !== '');
}

function parameter(text: string): {
  rest: boolean;
  name: string;
  constraints: Constraint[];
  fallback: string | undefined;
  optional: boolean;
} {
  const match = parameterText.exec(text);
  if (!match) throw new Error(`The route parameter '${text}' is not understood.`);
  const [, stars = '', name = '', constraintText = '', fallback, optional] = match;
  const constraints = constraintText
    .split(/:(?![^(]*\))/)
    .filter((part) => part !== '')
    .map(constraintOf);
  return { rest: stars !== '', name, constraints, fallback, optional: optional !== undefined };
}

function segment(text: string): Segment {
  if (!text.includes('{')) return { kind: 'literal', text: text.toLowerCase() };
  if (/^\{(?:[^{}]|\{\{|\}\})*\}$/.test(text)) {
    const { rest, ...found } = parameter(text);
    return rest ? { kind: 'rest', name: found.name, constraints: found.constraints } : { kind: 'parameter', ...found };
  }
  const parameters: { name: string; constraints: Constraint[] }[] = [];
  const source = text
    .split(/(\{[^{}]*\})/)
    .map((part) => {
      if (!part.startsWith('{')) return escape(part);
      parameters.push(parameter(part));
      return '(.+?)';
    })
    .join('');
  return { kind: 'mixed', pattern: new RegExp(`^${source}$`, 'i'), parameters };
}

export const parseTemplate = (text: string): Template => ({ text, segments: split(text).map(segment) });

function rank(part: Segment | undefined): number {
  if (part === undefined) return 0;
  if (part.kind === 'literal') return 1;
  if (part.kind === 'mixed') return 2;
  const constrained = part.constraints.length > 0;
  if (part.kind === 'parameter') return constrained ? 2 : 3;
  return constrained ? 4 : 5;
}

/** Orders templates so that the first that matches is the one ASP.NET chooses. */
export function compareTemplates(a: Template, b: Template): number {
  const length = Math.max(a.segments.length, b.segments.length);
  for (let i = 0; i < length; i += 1) {
    const difference = rank(a.segments[i]) - rank(b.segments[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}

const accepts = (constraints: Constraint[], value: string): boolean => constraints.every((test) => test(value));

/** `path` is decoded (see request-path.ts) and has no slash in front. */
export function matchTemplate(template: Template, path: string): Params | undefined {
  const params: Params = {};
  const parts = path === '' ? [] : path.split('/');
  let used = 0;
  for (const part of template.segments) {
    if (part.kind === 'rest') {
      const rest = parts.slice(used).join('/');
      if (rest !== '') params[part.name] = rest;
      return rest === '' || accepts(part.constraints, rest) ? params : undefined;
    }
    const value = parts[used] ?? '';
    used += 1;
    if (value === '') {
      // Only the end of the path may be missing; an empty segment in the middle matches nothing.
      if (part.kind !== 'parameter' || parts.length >= used + 1) return undefined;
      if (part.fallback !== undefined) params[part.name] = part.fallback;
      else if (!part.optional) return undefined;
      continue;
    }
    if (!matchSegment(part, value, params)) return undefined;
  }
  const left = parts.slice(used);
  // One slash at the end is passed over.
  return left.length === 0 || (left.length === 1 && left[0] === '') ? params : undefined;
}

function matchSegment(part: Exclude<Segment, { kind: 'rest' }>, value: string, params: Params): boolean {
  if (part.kind === 'literal') return value.toLowerCase() === part.text;
  if (part.kind === 'parameter') {
    params[part.name] = value;
    return accepts(part.constraints, value);
  }
  const match = part.pattern.exec(value);
  if (!match) return false;
  return part.parameters.every(({ name, constraints }, index) => {
    params[name] = match[index + 1] ?? '';
    return accepts(constraints, params[name]);
  });
}
