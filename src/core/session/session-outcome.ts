// What was asked of sessions and how it ended, as it is counted. Sessions are no reads of a cache: they have no hit rate.

export const SESSION_CALLS = ['create', 'read', 'write', 'touch', 'end', 'list', 'end-all'] as const;
/** `none`: there is no such session; `refused`: by a precondition, or for what was sent. */
export const SESSION_OUTCOMES = ['ok', 'none', 'refused', 'failed'] as const;

export type SessionCall = (typeof SESSION_CALLS)[number];
export type SessionOutcome = (typeof SESSION_OUTCOMES)[number];

/** Told of every call. */
export type OnSession = (call: SessionCall, outcome: SessionOutcome) => void;
