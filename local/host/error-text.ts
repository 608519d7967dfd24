/** Text of anything that was thrown, for logs: an app may throw what it likes. */
export function errorText(error: unknown, form: 'stack' | 'message' = 'stack'): string {
  if (!(error instanceof Error)) return String(error);
  const text = form === 'stack' ? (error.stack ?? error.message) : error.message;
  const { cause } = error;
  return cause === undefined ? text : `${text} (${errorText(cause, form === 'stack' ? 'stack' : 'message')})`;
}
