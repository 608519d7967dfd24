import { describe, expect, it } from 'vitest';
import { changedBlobs } from '../../src/functions/content-events.ts';

const subject = '/blobServices/default/containers/content/blobs/a/b c.txt';
const url = 'https://account.blob.core.example/content/a/b%20c.txt';
const created = { eventType: 'Microsoft.Storage.BlobCreated', subject, data: { url } };

describe('an event of Event Grid', () => {
  it('names its blob, by subject or URL, in either schema', () => {
    expect(changedBlobs(created, 'content')).toEqual(['a/b c.txt']);
    expect(changedBlobs({ ...created, data: {} }, 'content')).toEqual(['a/b c.txt']);
    expect(changedBlobs({ ...created, subject: '' }, 'content')).toEqual(['a/b c.txt']);
    expect(changedBlobs({ type: created.eventType, subject, data: { url } }, 'content')).toEqual(['a/b c.txt']);
  });

  it('of an emulator has the account in the path', () => {
    const local = { ...created, subject: '', data: { url: 'http://127.0.0.1:10000/devstoreaccount1/content/x' } };
    expect(changedBlobs(local, 'content')).toEqual(['x']);
  });

  it('of a renamed blob names both', () => {
    const data = {
      sourceUrl: 'https://a.dfs.example/content/old',
      destinationUrl: 'https://a.dfs.example/content/new',
    };
    const renamed = { eventType: 'Microsoft.Storage.BlobRenamed', data };
    expect(changedBlobs(renamed, 'content')).toEqual(['old', 'new']);
    // Moved out of the container: what was there is gone.
    expect(
      changedBlobs({ ...renamed, data: { ...data, destinationUrl: 'https://a.dfs.example/other/new' } }, 'content'),
    ).toEqual(['old']);
  });

  it('of a folder is about all in it', () => {
    const folder = { ...created, eventType: 'Microsoft.Storage.DirectoryDeleted' };
    expect(changedBlobs(folder, 'content')).toBe('all');
    expect(changedBlobs(folder, 'other')).toEqual([]);
    expect(changedBlobs({ ...folder, eventType: 'Microsoft.Storage.DirectoryCreated' }, 'content')).toEqual([]);
  });

  it.each([
    null,
    1,
    'text',
    {},
    { eventType: 'Other' },
    { ...created, eventType: 'Microsoft.Storage.BlobInventoryPolicyCompleted' },
    { ...created, subject: 1, data: null },
    { ...created, subject: '/blobServices/default/containers/content2/blobs/a', data: { url: 'nonsense' } },
    { ...created, subject: '', data: { url: 'https://account.blob.example/content/%ff' } },
  ])('that is none of ours says nothing: %j', (event) => {
    expect(changedBlobs(event, 'content')).toEqual([]);
  });
});
