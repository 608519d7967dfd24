/** The account, its databases, and offers (of which there are none). */

import { badRequest, notFound } from './errors.ts';
import { isObject, type JsonObject } from './json.ts';
import { compileQuery } from './query/compile.ts';
import { parseSpec } from './query-spec.ts';
import { type Reply, reply, resourceReply } from './reply.ts';
import { type CosmosRequest, header, jsonBody } from './request.ts';
import type { Site } from './site.ts';
import { addDatabase, type Database, findDatabase } from './store.ts';

/** Clients are sent back to the address by which they came. */
export const readAccount = (_site: Site, request: CosmosRequest): Reply => {
  const location = { name: 'Local', databaseAccountEndpoint: `http://${header(request, 'host') ?? '127.0.0.1'}/` };
  return reply(200, {
    _self: '',
    id: 'warmfeed',
    _rid: 'warmfeed.local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: [location],
    readableLocations: [location],
    enableMultipleWriteLocations: false,
    continuousBackupEnabled: false,
    enablePerPartitionFailoverBehavior: false,
    userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 4 },
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
    systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 4 },
    readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
    queryEngineConfiguration:
      '{"maxSqlQueryInputLength":262144,"maxJoinsPerSqlQuery":5,"maxLogicalAndPerSqlQuery":2000,"maxLogicalOrPerSqlQuery":2000,"maxUdfRefPerSqlQuery":10,"maxInExpressionItemsCount":16000,"queryMaxInMemorySortDocumentCount":500,"maxQueryRequestTimeoutFraction":0.9,"sqlAllowNonFiniteNumbers":false,"sqlAllowAggregateFunctions":true,"sqlAllowSubQuery":true,"sqlAllowScalarSubQuery":true,"allowNewKeywords":true,"sqlAllowLike":false,"sqlAllowGroupByClause":false,"maxSpatialQueryCells":12,"spatialMaxGeometryPointCount":256,"sqlDisableQueryILOptimization":false,"sqlDisableFilterPlanOptimization":false,"sqlAllowTop":true,"enableSpatialIndexing":false}',
  });
};

/** All resources, or those that a query over them selects. */
export const listReply = (request: CosmosRequest, rid: string, name: string, resources: JsonObject[]): Reply => {
  const found =
    request.method === 'POST'
      ? compileQuery(parseSpec(request))
          .run(resources)
          .map(({ value }) => value)
      : resources;
  return reply(200, { _rid: rid, [name]: found, _count: found.length });
};

export const listDatabases = ({ store }: Site, request: CosmosRequest): Reply =>
  listReply(
    request,
    '',
    'Databases',
    [...store.databases.values()].map(({ resource }) => resource),
  );

export const resourceId = (body: unknown): string => {
  const id = isObject(body) ? body['id'] : undefined;
  if (typeof id !== 'string' || id === '' || id.length > 255 || /[/\\?#]/.test(id))
    throw badRequest('The input content is invalid because the required properties - id - are missing or malformed.');
  return id;
};

export const createDatabase = ({ store }: Site, request: CosmosRequest): Reply => {
  const { resource } = addDatabase(store, resourceId(jsonBody(request)));
  return resourceReply(201, resource);
};

export const needDatabase = ({ store }: Site, request: CosmosRequest): Database => {
  const database = findDatabase(store, request.segments[1] ?? '');
  if (!database) throw notFound('Resource Not Found: no such database.');
  return database;
};

export const readDatabase = (site: Site, request: CosmosRequest): Reply => {
  const { resource } = needDatabase(site, request);
  return resourceReply(200, resource);
};

export const deleteDatabase = (site: Site, request: CosmosRequest): Reply => {
  site.store.databases.delete(needDatabase(site, request).id);
  return reply(204, undefined);
};

export const listOffers = (): Reply => reply(200, { _rid: '', Offers: [], _count: 0 });
