/** Containers and the partition key ranges of each. */
import { listReply, needDatabase, resourceId } from './account-handlers.ts';
import { badRequest, notFound, ownerNotFound } from './errors.ts';
import { checkTtl, resetExpiry } from './expiry.ts';
import { isObject, type Json } from './json.ts';
import { keyText, parseDefinition } from './partition-key.ts';
import { type Reply, reply, resourceReply } from './reply.ts';
import { type CosmosRequest, header, jsonBody } from './request.ts';
import type { Site } from './site.ts';
import {
  addContainer,
  type Container,
  type ContainerShape,
  describe,
  findContainer,
  findDatabase,
  needContainer,
} from './store.ts';

/** Kept and told back, without effect except that composite indexes allow ORDER BY on several paths. */
const kept = ['indexingPolicy', 'uniqueKeyPolicy', 'analyticalStorageTtl', 'computedProperties'];

const shapeOf = (body: unknown): ContainerShape => {
  if (!isObject(body)) throw badRequest('A container is a JSON object.');
  if (isObject(body['uniqueKeyPolicy']) && Array.isArray(body['uniqueKeyPolicy']['uniqueKeys']))
    if (body['uniqueKeyPolicy']['uniqueKeys'].length > 0)
      throw badRequest('Unique keys are not served by this emulator.');
  const rest = Object.fromEntries(
    kept.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]] as [string, Json]])),
  );
  return {
    id: resourceId(body),
    definition: parseDefinition(body['partitionKey']),
    defaultTtl: checkTtl(body['defaultTtl'], 'defaultTtl'),
    rest,
  };
};

/** Of a missing container in an existing database 404 has no sub-status; of a missing database it has. */
const need = ({ store }: Site, { segments }: CosmosRequest): Container => {
  if (!findDatabase(store, segments[1] ?? '')) throw ownerNotFound();
  const container = findContainer(store, segments[1] ?? '', segments[3] ?? '');
  if (!container) throw notFound('Resource Not Found: no such container.');
  return container;
};

const owner = (site: Site, request: CosmosRequest) => {
  const database = findDatabase(site.store, request.segments[1] ?? '');
  if (!database) throw ownerNotFound();
  return database;
};

export const listContainers = (site: Site, request: CosmosRequest): Reply => {
  const database = needDatabase(site, request);
  const resources = [...database.containers.values()].map(({ resource }) => resource);
  return listReply(request, database.rid.text, 'DocumentCollections', resources);
};

export const createContainer = (site: Site, request: CosmosRequest): Reply =>
  resourceReply(201, addContainer(site.store, owner(site, request), shapeOf(jsonBody(request))).resource);

export const readContainer = (site: Site, request: CosmosRequest): Reply => {
  const container = need(site, request);
  return resourceReply(200, container.resource);
};

export const replaceContainer = (site: Site, request: CosmosRequest): Reply => {
  const container = need(site, request);
  const shape = shapeOf(jsonBody(request));
  if (shape.id !== container.id || keyText(shape.definition.paths) !== keyText(container.definition.paths))
    throw badRequest('Id and partition key of a container cannot be changed.');
  container.shape = shape;
  container.defaultTtl = shape.defaultTtl;
  container.resource = describe(site.store, container.database, container.rid, shape);
  resetExpiry(container);
  return resourceReply(200, container.resource);
};

export const deleteContainer = (site: Site, request: CosmosRequest): Reply => {
  const container = need(site, request);
  container.database.containers.delete(container.id);
  return reply(204, undefined);
};

/** The .NET SDK repeats this with `if-none-match` until 304: without it, it spins. */
export const readRanges = ({ store }: Site, request: CosmosRequest): Reply => {
  const container = needContainer(store, request.segments[1] ?? '', request.segments[3] ?? '');
  const etag = `"${container.ranges.map(({ id }) => id).join('.')}"`;
  if (header(request, 'if-none-match') === etag) return reply(304, undefined, { etag });
  const self = `dbs/${container.database.rid.text}/colls/${container.rid.text}/pkranges/`;
  const ranges = container.ranges.map(({ id, rid, min, max, parents }, index) => ({
    _rid: rid,
    id,
    _etag: etag,
    minInclusive: min,
    maxExclusive: max,
    ridPrefix: index,
    _self: `${self}${rid}/`,
    throughputFraction: 1 / container.ranges.length,
    status: 'online',
    parents,
    _ts: container.resource['_ts'],
  }));
  return reply(200, { _rid: container.rid.text, PartitionKeyRanges: ranges, _count: ranges.length }, { etag });
};
