// All that Warmfeed runs on, for `azd up` (docs/deploy.md). What it costs at least is in docs/scale.md. No secret is made,
// read or put out: every service is reached with the app's identity.

targetScope = 'subscription'

import { connections, cosmosChanges, roles } from 'names.bicep'
import { container } from 'modules/cosmos.bicep'

@minLength(1)
@maxLength(40)
@description('Name of the azd environment: part of all names.')
param environmentName string
@minLength(1)
param location string
@description('Object id of who deploys: administrator of the SQL databases, and may seed Cosmos DB. Empty: nobody.')
param principalId string = ''
@description('Sign-in name of who deploys, for the SQL databases.')
param principalName string
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@description('Data services only through private endpoints.')
param privateNetwork bool = false
@description('The app too is reached only from within the network, deployments included. Needs privateNetwork.')
param privateHttp bool = false

@description('WARMFEED_APP: apps that share a Redis have different ones.')
param appName string = 'warmfeed'
@allowed(['22', '24'])
param nodeVersion string = '22'
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40
@description('Instances kept ready for HTTP and for each change function. 0 is cheaper, and a feed may then fail to wake.')
@minValue(0)
param alwaysReady int = 1
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 64
@description('More app settings, by name: docs/settings.md.')
param settings { *: string } = {}

param cosmosDatabase string = 'warmfeed'
@description('The watched containers; each has its change function.')
param cosmosContainers container[] = [{ name: 'airports', partitionKey: ['/country'] }]
param cosmosServerless bool = false
@description('Autoscale limit of the database, in request units a second.')
@minValue(1000)
param cosmosAutoscaleMax int = 1000
@description('WARMFEED_REPLICA_LAG where the default is not right.')
param replicaLag string = '5s'

param redisSku string = 'Balanced_B0'
@description('Off halves the price; a failover then empties the cache.')
param redisHighAvailability bool = true
@description('NoCluster up to 25 GB keeps the order of calls, which the app makes use of; OSSCluster beyond.')
@allowed(['NoCluster', 'EnterpriseCluster', 'OSSCluster'])
param redisClustering string = 'NoCluster'
@description('Objects ids of further identities that may use Redis: of the other app of a blue/green pair.')
param redisPrincipalIds string[] = []

@description('What src/cache.config.ts names; off where your configuration does not.')
param useSql bool = true
param sqlDatabase string = 'warmfeed'
param sqlSku string = 'S0'
@description('Names of the change functions of Azure SQL.')
param sqlChangeFunctions string[] = ['changes-sql-SQL']
param usePostgres bool = true
param postgresDatabase string = 'warmfeed'
param postgresSku string = 'Standard_B1ms'
@allowed(['Burstable', 'GeneralPurpose', 'MemoryOptimized'])
param postgresTier string = 'Burstable'
@description('Names of the change functions of PostgreSQL.')
param postgresChangeFunctions string[] = ['changes-postgres-POSTGRES']
@description('A storage account for static content.')
param useContent bool = true
param contentContainer string = 'content'

@description('An OpenTelemetry collector, besides Application Insights; empty: none.')
param otlpEndpoint string = ''
@minValue(30)
@maxValue(730)
param logRetentionInDays int = 30
@description('Who is told of alerts; empty: the alerts are there, and nobody is told.')
param alertEmail string = ''

var token = take(toLower(uniqueString(subscription().id, environmentName, location)), 13)
var name = '${take(toLower(replace(environmentName, '_', '-')), 20)}-${token}'
var tags = { 'azd-env-name': environmentName }
var packages = 'packages'
var zones = {
  blob: 'privatelink.blob.${az.environment().suffixes.storage}'
  cosmos: 'privatelink.documents.azure.com'
  redis: 'privatelink.redis.azure.net'
  sql: 'privatelink${az.environment().suffixes.sqlServerHostname}'
  postgres: 'privatelink.postgres.database.azure.com'
  sites: 'privatelink.azurewebsites.net'
}

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  name: 'identity'
  params: { name: 'id-${name}', location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    name: name
    location: location
    tags: tags
    writerPrincipalId: identity.outputs.principalId
    retentionInDays: logRetentionInDays
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    name: name
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    email: alertEmail
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    containers: [packages]
    roleId: roles.storageBlobDataOwner
    principalId: identity.outputs.principalId
    isPrivate: privateNetwork
  }
}

module content 'modules/storage.bicep' = if (useContent) {
  scope: group
  name: 'content'
  params: {
    name: 'stc${token}'
    location: location
    tags: tags
    containers: [contentContainer]
    roleId: roles.storageBlobDataReader
    principalId: identity.outputs.principalId
    isPrivate: privateNetwork
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  name: 'cosmos'
  params: {
    name: 'cosmos-${name}'
    location: location
    tags: tags
    database: cosmosDatabase
    containers: cosmosContainers
    principalId: identity.outputs.principalId
    writerPrincipalId: principalId
    isPrivate: privateNetwork
    isServerless: cosmosServerless
    autoscaleMaxThroughput: cosmosAutoscaleMax
  }
}

module redis 'modules/redis.bicep' = {
  scope: group
  name: 'redis'
  params: {
    name: 'redis-${name}'
    location: location
    tags: tags
    sku: redisSku
    highAvailability: redisHighAvailability
    clusteringPolicy: redisClustering
    principalIds: concat([identity.outputs.principalId], redisPrincipalIds)
    isPrivate: privateNetwork
  }
}

module sql 'modules/sql.bicep' = if (useSql) {
  scope: group
  name: 'sql'
  params: {
    name: 'sql-${name}'
    location: location
    tags: tags
    database: sqlDatabase
    sku: sqlSku
    adminObjectId: principalId
    adminName: principalName
    adminType: principalType == 'ServicePrincipal' ? 'Application' : principalType == 'Group' ? 'Group' : 'User'
    isPrivate: privateNetwork
  }
}

module postgres 'modules/postgres.bicep' = if (usePostgres) {
  scope: group
  name: 'postgres'
  params: {
    name: 'psql-${name}'
    location: location
    tags: tags
    database: postgresDatabase
    sku: postgresSku
    tier: postgresTier
    adminObjectId: principalId
    adminName: principalName
    adminType: principalType == 'ServicePrincipal' ? 'ServicePrincipal' : principalType == 'Group' ? 'Group' : 'User'
    isPrivate: privateNetwork
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  name: 'network'
  params: {
    name: name
    location: location
    tags: tags
    zones: concat(
      [zones.blob, zones.cosmos, zones.redis],
      useSql ? [zones.sql] : [],
      usePostgres ? [zones.postgres] : [],
      privateHttp ? [zones.sites] : []
    )
  }
}

module storageEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork) {
  scope: group
  name: 'storage-endpoint'
  params: {
    name: 'storage-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: storage.outputs.id
    group: 'blob'
    zone: zones.blob
  }
}

module contentEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && useContent) {
  scope: group
  name: 'content-endpoint'
  params: {
    name: 'content-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: content!.outputs.id
    group: 'blob'
    zone: zones.blob
  }
}

module cosmosEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork) {
  scope: group
  name: 'cosmos-endpoint'
  params: {
    name: 'cosmos-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: cosmos.outputs.id
    group: 'Sql'
    zone: zones.cosmos
  }
}

module redisEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork) {
  scope: group
  name: 'redis-endpoint'
  params: {
    name: 'redis-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: redis.outputs.id
    group: 'redisEnterprise'
    zone: zones.redis
  }
}

module sqlEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && useSql) {
  scope: group
  name: 'sql-endpoint'
  params: {
    name: 'sql-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: sql!.outputs.id
    group: 'sqlServer'
    zone: zones.sql
  }
}

module postgresEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && usePostgres) {
  scope: group
  name: 'postgres-endpoint'
  params: {
    name: 'postgres-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: postgres!.outputs.id
    group: 'postgresqlServer'
    zone: zones.postgres
  }
}

module httpEndpoint 'modules/private-endpoint.bicep' = if (privateNetwork && privateHttp) {
  scope: group
  name: 'http-endpoint'
  params: {
    name: 'http-${name}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: app.outputs.id
    group: 'sites'
    zone: zones.sites
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  name: 'app'
  params: {
    name: name
    location: location
    tags: tags
    identityId: identity.outputs.id
    packageContainerUrl: '${storage.outputs.blobEndpoint}${packages}'
    runtimeVersion: nodeVersion == '24' ? '24' : '22'
    changeFunctions: concat(
      map(cosmosContainers, each => cosmosChanges(cosmosDatabase, each.name)),
      useSql ? sqlChangeFunctions : [],
      usePostgres ? postgresChangeFunctions : []
    )
    alwaysReady: alwaysReady
    instanceMemoryMB: instanceMemoryMB == 512 ? 512 : instanceMemoryMB == 4096 ? 4096 : 2048
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    isPrivate: privateNetwork && privateHttp
    settings: union(
      {
        // DefaultAzureCredential takes this one where a connection names none.
        AZURE_CLIENT_ID: identity.outputs.clientId
        AzureWebJobsStorage__blobServiceUri: storage.outputs.blobEndpoint
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: identity.outputs.clientId
        APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
        '${connections.cosmos}__accountEndpoint': cosmos.outputs.endpoint
        '${connections.cosmos}__credential': 'managedidentity'
        '${connections.cosmos}__clientId': identity.outputs.clientId
        COSMOS_DATABASE: cosmosDatabase
        REDIS_URL: redis.outputs.url
        REDIS_URL__credential: 'managedidentity'
        WARMFEED_APP: appName
        WARMFEED_REDIS_CLUSTERING: redisClustering
        WARMFEED_REPLICA_LAG: replicaLag
      },
      useSql
        ? {
            '${connections.sql}__server': sql!.outputs.host
            '${connections.sql}__database': sqlDatabase
            '${connections.sql}__clientId': identity.outputs.clientId
          }
        : {},
      usePostgres
        ? {
            '${connections.postgres}__host': postgres!.outputs.host
            '${connections.postgres}__database': postgresDatabase
            '${connections.postgres}__user': identity.outputs.name
            '${connections.postgres}__clientId': identity.outputs.clientId
          }
        : {},
      useContent
        ? {
            '${connections.content}__blobServiceUri': content!.outputs.blobEndpoint
            '${connections.content}__clientId': identity.outputs.clientId
          }
        : {},
      empty(otlpEndpoint) ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint },
      settings
    )
  }
  // What the app needs at its first start, its private endpoints included.
  dependsOn: [storageEndpoint, contentEndpoint, cosmosEndpoint, redisEndpoint, sqlEndpoint, postgresEndpoint]
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output WARMFEED_URL string = '${app.outputs.url}/api'
output WARMFEED_FUNCTION_APP string = app.outputs.name
output WARMFEED_IDENTITY_NAME string = identity.outputs.name
output WARMFEED_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output COSMOS__accountEndpoint string = cosmos.outputs.endpoint
output COSMOS_DATABASE string = cosmosDatabase
output REDIS_URL string = redis.outputs.url
