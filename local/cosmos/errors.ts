/** Refusals as the service words them: a status, a sub-status and a `{code, message}` body. */
export class CosmosError extends Error {
  readonly status: number;
  readonly substatus: number;
  readonly detail: Record<string, string>;
  headers: Record<string, string> = {};

  constructor(status: number, message: string, substatus = 0, detail: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.substatus = substatus;
    this.detail = detail;
  }
}

const codes: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  449: 'RetryWith',
  503: 'ServiceUnavailable',
};

export const codeOf = (status: number): string => codes[status] ?? 'InternalServerError';

export const badRequest = (message: string, substatus = 0) => new CosmosError(400, message, substatus);
export const notFound = (message: string, substatus = 0) => new CosmosError(404, message, substatus);
export const conflict = (message: string) => new CosmosError(409, message);
export const preconditionFailed = () =>
  new CosmosError(412, 'Operation cannot be performed because one of the specified precondition is not met.');
/** 1003: what is missing is the database or container that should own the addressed resource. */
export const ownerNotFound = () => notFound('Owner resource does not exist.', 1003);
export const keyMismatch = () =>
  badRequest("PartitionKey extracted from document doesn't match the one specified in the header.", 1001);
