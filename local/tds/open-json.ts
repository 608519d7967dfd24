/** `OPENJSON(@json) WITH (column type '$.path' AS JSON, …)`, over an array of objects or scalars, or one object. */
import { notEmulated } from './errors.ts';
import { expression } from './expression.ts';
import { type Scope, takeName } from './scope.ts';
import { identifier, quoted, type Sql, sql } from './sql.ts';
import { isText, parseType, pgType } from './types.ts';

export function openJson(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('openjson', '(');
  const json = sql('(', expression(scope), ')::bpchar');
  if (cursor.at(',')) throw notEmulated('OPENJSON with a path');
  cursor.expect(')');
  if (!cursor.accept('with', '(')) return sql('tds.openjson(', json, ')');
  const columns: string[] = [];
  do columns.push(columnOf(scope));
  while (cursor.accept(','));
  cursor.expect(')');
  return sql(`(SELECT ${columns.join(', ')} FROM tds.json_rows(`, json, ') AS r(v))');
}

function columnOf(scope: Scope): string {
  const { cursor } = scope;
  const name = takeName(scope);
  const type = parseType(cursor);
  const token = cursor.peek();
  const path = token.kind === 'string' ? cursor.next().value : `$.${JSON.stringify(name)}`;
  const json = cursor.accept('as', 'json');
  // Their text would need conversions of its own.
  if (/^(datetimeoffset|varbinary|rowversion)$/.test(type.name)) throw notEmulated(`OPENJSON with ${type.name}`);
  const steps = pathSteps(path);
  const called = json ? 'tds.json_part' : 'tds.json_scalar';
  const text = `${called}(r.v, ${quoted(`{${steps.map((step) => JSON.stringify(step)).join(',')}}`)})`;
  const value = isText(type) && type.length !== -1 ? `tds.text_of(${text}, 0, ${type.length ?? 1})` : text;
  return `(${value})::${isText(type) ? 'bpchar' : pgType(type)} AS ${identifier(name)}`;
}

/** `$.a."b c"[0]` */
function pathSteps(path: string): string[] {
  const [, rest] = /^(?:lax\s+)?\$(.*)$/s.exec(path) ?? [];
  if (rest === undefined) throw notEmulated(path);
  const steps: string[] = [];
  let at = 0;
  for (const step of rest.matchAll(/\.([\p{L}_][\p{L}\p{N}_]*)|\.("(?:[^"\\]|\\.)*")|\[(\d+)\]/gu)) {
    if (step.index !== at) throw notEmulated(path);
    at += step[0].length;
    steps.push(step[1] ?? (step[2] === undefined ? undefined : (JSON.parse(step[2]) as string)) ?? step[3] ?? '');
  }
  if (at !== rest.length) throw notEmulated(path);
  return steps;
}
