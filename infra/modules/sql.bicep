// Azure SQL Database, Entra only. The app's user is made by infra/sql/grant-azure-sql.sql, which needs the administrator.

param name string
param location string
param tags object
param database string
param sku string
@description('Object id and name of the administrator: a person or a group, not the app.')
param adminObjectId string
param adminName string
param adminType 'User' | 'Group' | 'Application'
param isPrivate bool

resource server 'Microsoft.Sql/servers@2023-08-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    minimalTlsVersion: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      principalType: adminType
      sid: adminObjectId
      login: adminName
      tenantId: tenant().tenantId
    }
  }
}

// 0.0.0.0 stands for Azure's own addresses; the app has no fixed one without a network.
resource fromAzure 'Microsoft.Sql/servers/firewallRules@2023-08-01' = if (!isPrivate) {
  parent: server
  name: 'azure'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
}

resource db 'Microsoft.Sql/servers/databases@2023-08-01' = {
  parent: server
  name: database
  location: location
  tags: tags
  sku: { name: sku }
}

output id string = server.id
output host string = server.properties.fullyQualifiedDomainName
