// Cosmos DB: the watched containers and the leases of their change feeds. The app may read the database and write the
// leases, nothing else; there are no keys.

import { cosmosRoles, leaseContainer } from '../names.bicep'

@export()
type container = {
  name: string
  @description('Partition-key paths, as in src/cache.config.ts.')
  partitionKey: string[]
}

param name string
param location string
param tags object
param database string
param containers container[]
param principalId string
@description('Somebody who may write data, for seeding: empty for nobody.')
param writerPrincipalId string
param isPrivate bool
@description('Request units are paid by use; false: autoscale, shared by the database.')
param isServerless bool
param autoscaleMaxThroughput int

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    // One write region: the sequence numbers of several have no common order (docs/consistency.md).
    enableMultipleWriteLocations: false
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }]
    capabilities: isServerless ? [{ name: 'EnableServerless' }] : []
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource db 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-11-15' = {
  parent: account
  name: database
  properties: {
    resource: { id: database }
    options: isServerless ? {} : { autoscaleSettings: { maxThroughput: autoscaleMaxThroughput } }
  }
}

resource watched 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = [
  for each in containers: {
    parent: db
    name: each.name
    properties: {
      resource: {
        id: each.name
        partitionKey: {
          paths: each.partitionKey
          kind: length(each.partitionKey) == 1 ? 'Hash' : 'MultiHash'
          version: 2
        }
        // On, without expiry: a soft delete may then carry its own `ttl`.
        defaultTtl: -1
      }
    }
  }
]

// Made here, because an identity may not make containers, and the trigger does not start without it.
resource leases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: db
  name: leaseContainer
  properties: {
    resource: {
      id: leaseContainer
      partitionKey: { paths: ['/id'], kind: 'Hash', version: 2 }
      // The trigger's lock document carries its own ttl.
      defaultTtl: -1
    }
  }
}

resource reads 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = {
  parent: account
  name: guid(account.id, database, principalId, cosmosRoles.dataReader)
  properties: {
    principalId: principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${cosmosRoles.dataReader}'
    scope: '${account.id}/dbs/${db.name}'
  }
}

resource writesLeases 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = {
  parent: account
  name: guid(account.id, database, leaseContainer, principalId, cosmosRoles.dataContributor)
  properties: {
    principalId: principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${cosmosRoles.dataContributor}'
    scope: '${account.id}/dbs/${db.name}/colls/${leases.name}'
  }
}

resource seeds 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = if (!empty(writerPrincipalId)) {
  parent: account
  name: guid(account.id, database, writerPrincipalId, cosmosRoles.dataContributor)
  properties: {
    principalId: writerPrincipalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${cosmosRoles.dataContributor}'
    scope: '${account.id}/dbs/${db.name}'
  }
}

output id string = account.id
output endpoint string = account.properties.documentEndpoint
