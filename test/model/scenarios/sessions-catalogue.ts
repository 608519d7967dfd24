// Scenarios of sessions, and their rules knocked out: see catalogue.ts and knock-outs.ts.

import type { Edit } from '../explorer/variant.ts';
import { LONGEST_REQUEST_MS, type SessionBounds } from './sessions.ts';

export interface SessionScenario {
  readonly title: string;
  readonly bounds: SessionBounds;
  readonly deep: Partial<SessionBounds>;
}

export interface SessionKnockOut {
  readonly rule: string;
  readonly edits: readonly Edit[];
  readonly bounds: SessionBounds;
  readonly looksFor: RegExp;
}

/** From when on a listing may be dropped. */
const GRACE_MS = 300_000;

const WRITES: SessionBounds = { clients: [['create', 'add', 'read'], ['add'], ['end', 'read']], before: 1 };
const CREATES: SessionBounds = {
  clients: [
    ['create', 'read'],
    ['create', 'end'],
  ],
};
const LISTS: SessionBounds = {
  clients: [['create', 'move', 'move back'], ['list'], ['end all', 'read']],
  before: 2,
  passes: [GRACE_MS, LONGEST_REQUEST_MS],
};
const LISTED: SessionBounds = { clients: [['create'], ['list']], passes: [LONGEST_REQUEST_MS], deaths: 1 };
const DURABLE: SessionBounds = {
  clients: [
    ['create', 'add'],
    ['end', 'read'],
  ],
  before: 1,
  isDurable: true,
  flushes: 1,
};

export const SESSION_SCENARIOS: readonly SessionScenario[] = [
  {
    title: 'a session that is written and ended at the same time',
    bounds: WRITES,
    deep: {
      clients: [
        ['create', 'add', 'add', 'read'],
        ['add', 'add'],
        ['end', 'read'],
      ],
    },
  },
  { title: 'a session that two create, and one ends', bounds: CREATES, deep: { deaths: 1 } },
  {
    title: 'a session that changes hands, while it is listed and all are ended',
    bounds: LISTS,
    deep: { deaths: 1 },
  },
  {
    title: 'a session whose listing is slow, and who creates it may die',
    bounds: LISTED,
    deep: { clients: [['create', 'move'], ['list'], ['list']] },
  },
  {
    title: 'a session with a durable copy, written and ended while Redis loses all',
    bounds: DURABLE,
    deep: { clients: [['create', 'add', 'add'], ['end', 'read'], ['read']] },
  },
];

const session = (from: string, to: string): Edit => ({ file: 'src/core/session/session.ts', from, to });
const store = (from: string, to: string): Edit => ({ file: 'test/support/memory-session-store.ts', from, to });

export const SESSION_KNOCK_OUTS: readonly SessionKnockOut[] = [
  {
    rule: 'a write is a swap of what was read',
    edits: [store('if (!equalBytes(before.token, token) || until', 'if (until')],
    bounds: WRITES,
    looksFor: /^S1/,
  },
  {
    rule: 'an ended session leaves a mark',
    edits: [store("if (entry !== undefined) return 'ended';", '')],
    bounds: { ...CREATES, clients: [['create', 'end'], ['create'], ['read']] },
    looksFor: /^S[12]/,
  },
  {
    rule: 'a session is listed before it is there',
    edits: [
      session(
        'await list(name, session.subject);\n    const reply = await store.create(keys.session(name), session, life);',
        'const reply = await store.create(keys.session(name), session, life);\n    await list(name, session.subject);',
      ),
    ],
    bounds: LISTED,
    looksFor: /^S3/,
  },
  {
    rule: 'a listing is dropped only after longer than any request lasts',
    edits: [session('await store.unlist(key, name, LISTING_GRACE_MS);', 'await store.unlist(key, name, 0);')],
    bounds: LISTED,
    looksFor: /^S3/,
  },
  {
    rule: 'the end of all ends what was written meanwhile, too',
    edits: [session('repeat(name, () => attemptEnd(name, mine))', 'attemptEnd(name, mine)')],
    bounds: {
      clients: [
        ['create', 'add'],
        ['end all', 'read'],
      ],
      before: 1,
    },
    looksFor: /^S2/,
  },
  {
    rule: 'the copy ends before anybody is told',
    edits: [session('await endCopy(name);\n    // Had', 'durable?.mirror(name);\n    // Had')],
    bounds: DURABLE,
    looksFor: /^S2/,
  },
  {
    rule: 'the mark of an end is left once more when the copy has ended',
    edits: [session('if (durable !== undefined) await store.end(key, undefined, { ...mark, always: true });', '')],
    bounds: DURABLE,
    looksFor: /^S2/,
  },
];
