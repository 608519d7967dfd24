// What can be asked for, from the app's OpenAPI document: entities with the parts of their keys, queries with their parameters.

/** @returns `{ kind, name, parts }`, in the order of the document */
export function catalogueOf({ paths }) {
  const found = [];
  for (const [path, { get }] of Object.entries(paths)) {
    const [, kind, name] = path.split('/');
    const named = (place) => (get?.parameters ?? []).filter((one) => one.in === place).map((one) => one.name);
    if (kind === 'entities') found.push({ kind: 'entity', name, parts: named('path') });
    else if (kind === 'queries') found.push({ kind: 'query', name, parts: named('query'), optional: 'continuation' });
    else if (kind === 'content') found.push({ kind: 'content', name: 'content', parts: ['path'] });
  }
  return found;
}

export const titleOf = ({ kind, name }) => (kind === 'query' ? `query ${name}` : name);
