/** Reads tokens one after the other. */
import { syntaxError } from './errors.ts';
import type { Token } from './lexer.ts';

export interface Cursor {
  /** The token that comes next, or one further on, or back. */
  peek(ahead?: number): Token;
  next(): Token;
  /** Whether these words or operators come next. */
  at(...words: string[]): boolean;
  /** Takes them if they come next. */
  accept(...words: string[]): boolean;
  /** Takes them. @throws SqlError 102 */
  expect(...words: string[]): void;
  ended(): boolean;
}

export function createCursor(tokens: readonly Token[]): Cursor {
  let position = 0;
  const last = tokens.length - 1;
  const peek = (ahead = 0): Token => tokens[Math.max(0, Math.min(position + ahead, last))] as Token;
  const at = (...words: string[]): boolean => words.every((word, ahead) => isWord(peek(ahead), word));
  const accept = (...words: string[]): boolean => {
    const found = at(...words);
    if (found) position += words.length;
    return found;
  };
  return {
    peek,
    at,
    accept,
    next() {
      const token = peek();
      position = Math.min(position + 1, last);
      return token;
    },
    expect(...words) {
      for (const word of words) if (!accept(word)) throw syntaxError(peek().text);
    },
    ended: () => peek().kind === 'end',
  };
}

const isWord = (token: Token, word: string): boolean =>
  (token.kind === 'word' || token.kind === 'operator') && token.value === word;
