/** The query text as a tree: the grammar of @zeit/cosmosdb-query, its evaluator left aside (it coerces types). */
import parser from '@zeit/cosmosdb-query/lib/parser.js';
import { badRequest } from '../errors.ts';

/** A node of that grammar; which members are there depends on `type`. */
export interface Node {
  type: string;
  name?: unknown;
  value?: unknown;
  operator?: string;
  computed?: boolean;
  udf?: boolean;
  iteration?: boolean;
  order?: string;
  '*'?: boolean;
  left?: Node;
  right?: Node;
  object?: Node;
  property?: Node;
  argument?: Node;
  test?: Node;
  consequent?: Node;
  alternate?: Node;
  begin?: Node;
  end?: Node;
  condition?: Node;
  expression?: Node;
  alias?: Node | null;
  source?: Node;
  select?: Node;
  from?: Node | null;
  where?: Node | null;
  orderBy?: Node | null;
  top?: Node | null;
  body?: Node;
  key?: Node;
  list?: Node[];
  elements?: Node[];
  joins?: Node[];
  expressions?: Node[];
  arguments?: Node[];
  /** A list of properties in an object, a node in a select. */
  properties?: Node | Node[];
}

const cache = new Map<string, Node>();

const unsupported = /\b(OFFSET|LIMIT|DISTINCT|GROUP\s+BY|LIKE|NOT\s+IN|ORDER\s+BY\s+RANK)\b/i;

const explain = (text: string, error: unknown): string => {
  const reason = error instanceof Error ? error.message.slice(-80) : String(error);
  const culprit = unsupported.exec(text)?.[1];
  return culprit
    ? `The Warmfeed Cosmos emulator does not serve ${culprit.toUpperCase()} in queries (${reason})`
    : `Syntax error, incorrect syntax near: …${reason}`;
};

/** The select_query node. */
export const parseQuery = (text: string): Node => {
  const known = cache.get(text);
  if (known) return known;
  let body: Node | undefined;
  try {
    ({ body } = parser.parse(text.trim()) as Node);
  } catch (error) {
    throw badRequest(explain(text, error));
  }
  if (!body) throw badRequest('The query is empty.');
  // Texts with literals would fill the memory of a long-lived process.
  if (cache.size > 500) cache.clear();
  cache.set(text, body);
  return body;
};

export const need = <T>(value: T | null | undefined): T => {
  if (value === null || value === undefined)
    throw badRequest('The query has a form that this emulator does not serve.');
  return value;
};

export const listOf = (value: Node | Node[] | undefined): Node[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
