/** From operation to handler. */
import {
  createDatabase,
  deleteDatabase,
  listDatabases,
  listOffers,
  readAccount,
  readDatabase,
} from './account-handlers.ts';
import { runBatch, runBulk } from './batch-handlers.ts';
import { readChangeFeed } from './change-feed.ts';
import {
  createContainer,
  deleteContainer,
  listContainers,
  readContainer,
  readRanges,
  replaceContainer,
} from './container-handlers.ts';
import {
  createDocument,
  deleteDocument,
  patchDocument,
  readDocument,
  replaceDocument,
  upsertDocument,
} from './document-handlers.ts';
import { notFound } from './errors.ts';
import { readFeed, readPlan, runQuery } from './query-handlers.ts';
import type { Reply } from './reply.ts';
import type { CosmosRequest, Operation } from './request.ts';
import type { Site } from './site.ts';

type Handler = (site: Site, request: CosmosRequest) => Reply;

const handlers: Record<Operation, Handler> = {
  account: readAccount,
  'list-databases': listDatabases,
  'create-database': createDatabase,
  'read-database': readDatabase,
  'delete-database': deleteDatabase,
  'list-containers': listContainers,
  'create-container': createContainer,
  'read-container': readContainer,
  'replace-container': replaceContainer,
  'delete-container': deleteContainer,
  pkranges: readRanges,
  offers: listOffers,
  create: createDocument,
  upsert: upsertDocument,
  read: readDocument,
  replace: replaceDocument,
  patch: patchDocument,
  delete: deleteDocument,
  batch: runBatch,
  bulk: runBulk,
  'query-plan': readPlan,
  query: runQuery,
  'read-feed': readFeed,
  'change-feed': readChangeFeed,
  unknown: (_site, { method, path }) => {
    throw notFound(`This emulator serves nothing at ${method} ${path}.`);
  },
};

export const dispatch: Handler = (site, request) => handlers[request.operation](site, request);
