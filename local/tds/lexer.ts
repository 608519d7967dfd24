/** Cuts T-SQL into tokens, with the lines that errors name. */
import { SqlError, syntaxError } from './errors.ts';

export type TokenKind = 'word' | 'name' | 'string' | 'number' | 'binary' | 'variable' | 'operator' | 'end';

export interface Token {
  kind: TokenKind;
  /** As written. */
  text: string;
  /** Lower case for words and variables; the content of strings and delimited names. */
  value: string;
}

const pattern = new RegExp(
  [
    String.raw`(?<space>(?:\s|--[^\n]*)+)`,
    String.raw`(?<comment>/\*)`,
    String.raw`(?<string>[nN]?'(?:[^']|'')*')`,
    String.raw`(?<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")`,
    String.raw`(?<binary>0[xX][0-9a-fA-F]*)`,
    String.raw`(?<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)`,
    String.raw`(?<variable>@@?[\p{L}_#$\d][\p{L}\p{N}_@#$]*)`,
    String.raw`(?<word>[\p{L}_#][\p{L}\p{N}_@#$]*)`,
    String.raw`(?<operator><>|!=|<=|>=|\+=|-=|\*=|/=|%=|[-+*/%=<>(),.;&|^~:])`,
  ].join('|'),
  'uy',
);

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (!groups) throw unreadable(text, at);
    if (groups['comment'] !== undefined) {
      pattern.lastIndex = endOfComment(text, at);
      continue;
    }
    for (const [kind, match] of Object.entries(groups) as [TokenKind | 'space', string | undefined][]) {
      if (match !== undefined && kind !== 'space') tokens.push({ kind, text: match, value: valueOf(kind, match) });
    }
  }
  tokens.push({ kind: 'end', text: '', value: '' });
  return tokens;
}

function valueOf(kind: TokenKind, text: string): string {
  if (kind === 'word' || kind === 'variable') return text.toLowerCase();
  if (kind === 'string') return text.slice(text.indexOf("'") + 1, -1).replaceAll("''", "'");
  if (kind !== 'name') return text;
  return text[0] === '[' ? text.slice(1, -1).replaceAll(']]', ']') : text.slice(1, -1).replaceAll('""', '"');
}

/** Comments nest. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const pair = text.slice(at, at + 2);
    if (pair === '/*') depth += 1;
    else if (pair === '*/') depth -= 1;
    else continue;
    at += 1;
    if (depth === 0) return at + 1;
  }
  throw new SqlError(113, "Missing end comment mark '*/'.", { severity: 15 });
}

function unreadable(text: string, at: number): SqlError {
  const rest = text.slice(at);
  if (/^[nN]?'|^["[]/.test(rest)) {
    return new SqlError(105, `Unclosed quotation mark after the character string '${rest.slice(1, 40)}'.`, {
      severity: 15,
    });
  }
  return syntaxError(rest[0] ?? '');
}
