import { HttpRequest } from '@azure/functions';
import { describe, expect, it } from 'vitest';
import { parametersOf } from '../../src/functions/parameters.ts';

const of = (query: string, names: string[] = ['tag', 'name']) =>
  Object.fromEntries(parametersOf(new HttpRequest({ method: 'GET', url: `http://h/api/queries/q${query}` }), names));

describe('the parameters of an address', () => {
  it.each([
    ['', {}],
    ['?', {}],
    ['?tag=a,b', { tag: 'a,b' }],
    ['?tag=&name=x&', { tag: '', name: 'x' }],
    ['?code=secret&clientId=me&tag=a', { tag: 'a' }],
    ['?tag=%C3%BC%F0%9F%98%80', { tag: 'ü😀' }],
  ])('%s', (query, expected) => expect(of(query)).toEqual(expected));

  it('C31: a plus is a space, and %2B a plus', () => {
    expect([of('?name=a+b'), of('?name=a%20b'), of('?name=a%2Bb')].map(({ name }) => name)).toEqual([
      'a b',
      'a b',
      'a+b',
    ]);
  });

  it('the host’s own are parameters where they are declared', () => {
    expect(of('?clientId=me', ['clientId'])).toEqual({ clientId: 'me' });
  });

  it.each([
    ['?tag=a&tag=b', 'tag is repeated'],
    ['?tag=&tag=b', 'tag is repeated'],
    ['?TAG=a', '"TAG"'],
    ['?tag[]=a', '"tag[]"'],
    ['?tag%5B%5D=a', '"tag[]"'],
    ['?tag', 'none'],
    ['?__proto__=1', '"__proto__"'],
  ])('C46: %s is refused, and named', (query, said) => {
    const names = said === 'none' ? [] : ['tag'];
    expect(() => of(query, names)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    expect(() => of(query, names)).toThrow(said);
  });

  it.each(['%ff', '%C3%28', '%ED%A0%80', '100%', '%zz'])('%s is not replaced by something else', (value) => {
    expect(() => of(`?name=${value}`)).toThrow('name is not valid percent-encoded UTF-8');
  });
});
