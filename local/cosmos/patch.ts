/** Partial updates: add, set, replace, remove, incr, move on paths, and the optional `FROM c WHERE …` condition. */
import { badRequest, preconditionFailed } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { compileQuery } from './query/compile.ts';

interface Step {
  op: string;
  path: string;
  from?: string;
  value?: Json;
}

export interface Patch {
  steps: Step[];
  condition: string | undefined;
}

export const parsePatch = (value: unknown): Patch => {
  const list = isObject(value) ? value['operations'] : value;
  const condition = isObject(value) ? value['condition'] : undefined;
  if (!Array.isArray(list) || list.length === 0 || list.length > 10)
    throw badRequest('A patch has 1 to 10 operations.');
  if (condition !== undefined && typeof condition !== 'string') throw badRequest('A patch condition is a string.');
  const steps = list.map((step): Step => {
    if (!isObject(step) || typeof step['op'] !== 'string' || typeof step['path'] !== 'string')
      throw badRequest('A patch operation has an op and a path.');
    const { op, path, from, value: operand } = step as { op: string; path: string; from?: Json; value?: Json };
    return {
      op,
      path,
      ...(typeof from === 'string' ? { from } : {}),
      ...(operand === undefined ? {} : { value: operand }),
    };
  });
  return { steps, condition };
};

const parse = (path: string): string[] => {
  if (!path.startsWith('/') || path === '/') throw badRequest(`Patch path ${path} is invalid.`);
  const names = path
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (names[0]?.startsWith('_') && ['_rid', '_self', '_etag', '_attachments', '_ts'].includes(names[0]))
    throw badRequest(`System property ${names[0]} cannot be patched.`);
  return names;
};

interface Place {
  get: () => Json | undefined;
  set: (value: Json, insert: boolean) => void;
  remove: () => void;
}

const inArray = (list: Json[], name: string, path: string): Place => {
  const index = name === '-' ? list.length : Number(name);
  if (!Number.isInteger(index) || index < 0 || index > list.length)
    throw badRequest(`Patch path ${path}: no such array index.`);
  return {
    get: () => list[index],
    set: (value, insert) => void list.splice(index, insert ? 0 : 1, value),
    remove: () => void list.splice(index, 1),
  };
};

const inObject = (object: JsonObject, name: string): Place => ({
  get: () => (Object.hasOwn(object, name) ? object[name] : undefined),
  set: (value) => void (object[name] = value),
  remove: () => void delete object[name],
});

const place = (body: JsonObject, path: string): Place => {
  const names = parse(path);
  const last = names.pop() ?? '';
  let parent: Json | undefined = body;
  for (const name of names) {
    if (Array.isArray(parent)) parent = parent[Number(name)];
    else parent = isObject(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined;
  }
  if (Array.isArray(parent)) return inArray(parent, last, path);
  if (isObject(parent)) return inObject(parent, last);
  throw badRequest(`Patch path ${path}: its parent does not exist.`);
};

const operand = (step: Step): Json => {
  if (step.value === undefined) throw badRequest(`Patch operation ${step.op} needs a value.`);
  return step.value;
};

const need = (at: Place, path: string): Json => {
  const value = at.get();
  if (value === undefined) throw badRequest(`Patch path ${path} does not exist.`);
  return value;
};

const apply = (body: JsonObject, step: Step): void => {
  const target = place(body, step.path);
  switch (step.op) {
    case 'add':
      return target.set(operand(step), true);
    case 'set':
      return target.set(operand(step), false);
    case 'replace':
      need(target, step.path);
      return target.set(operand(step), false);
    case 'remove':
      need(target, step.path);
      return target.remove();
    case 'incr': {
      const before = target.get() ?? 0;
      const by = operand(step);
      if (typeof before !== 'number' || typeof by !== 'number')
        throw badRequest(`Patch path ${step.path}: incr needs numbers.`);
      return target.set(before + by, false);
    }
    case 'move': {
      const from = step.from ?? '';
      const source = place(body, from);
      const value = need(source, from);
      source.remove();
      return place(body, step.path).set(value, true);
    }
    default:
      throw badRequest(`Patch operation ${JSON.stringify(step.op)} is unknown.`);
  }
};

export const applyPatch = (body: JsonObject, patch: Patch): JsonObject => {
  if (patch.condition !== undefined) {
    const query = compileQuery({ query: `SELECT * ${patch.condition}`, parameters: [] });
    if (query.run([body]).length === 0) throw preconditionFailed();
  }
  for (const step of patch.steps) apply(body, step);
  return body;
};
