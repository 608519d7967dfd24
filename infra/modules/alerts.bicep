// What somebody should be told of, as queries over the metrics of docs/telemetry.md, and the workbook that shows them.

param name string
param location string
param tags object
param insightsId string
@description('Who is told; empty: nobody.')
param email string

type rule = {
  name: string
  description: string
  @description('Gives a column `value`; a row of more than `threshold` is an alert.')
  query: string
  threshold: int
  severity: int
}

@description('Seconds between commit and visible beyond which a change is late.')
param lateChangeSeconds int = 30

var rules rule[] = [
  {
    name: 'changes-late'
    description: 'Changes are visible late: a feed that lags, or stood still.'
    query: 'customMetrics | where name == "warmfeed.change.age" | summarize value = max(valueMax) by bin(timestamp, 5m)'
    threshold: lateChangeSeconds
    severity: 2
  }
  {
    name: 'feed-lost'
    description: 'A change feed lost its positions: everything cached of its source became old.'
    query: 'customMetrics | where name == "warmfeed.feed.lost" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 0
    severity: 1
  }
  {
    name: 'stale-found'
    description: 'The auditor found an item stale and evicted it: something served what had been changed.'
    query: 'customMetrics | where name == "warmfeed.audits" and tostring(customDimensions["verdict"]) == "stale" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 0
    severity: 1
  }
  {
    name: 'redis-failed-over'
    description: 'Redis may have gone back in time: everything cached became old, and reads go to the database for a while.'
    query: 'customMetrics | where name == "warmfeed.failovers" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 0
    severity: 2
  }
  {
    name: 'dead-letters'
    description: 'Changes could not be handled: their keys were evicted, and they wait among the dead letters.'
    query: 'customMetrics | where name == "warmfeed.dead_letters" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 0
    severity: 2
  }
  {
    name: 'redis-failing'
    description: 'Calls of Redis fail: reads go to the database, and changes wait.'
    query: 'customMetrics | where name == "warmfeed.store.failures" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 100
    severity: 1
  }
  {
    name: 'source-failing'
    description: 'Reads of a database fail: answers are stale, or 503.'
    query: 'customMetrics | where name == "warmfeed.source.failures" | summarize value = sum(valueSum) by bin(timestamp, 5m)'
    threshold: 100
    severity: 1
  }
]

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'warmfeed'
    enabled: true
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for each in rules: {
    name: '${each.name}-${name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: each.name
      description: each.description
      severity: each.severity
      enabled: true
      scopes: [insightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT5M'
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: each.query
            timeAggregation: 'Maximum'
            metricMeasureColumn: 'value'
            operator: 'GreaterThan'
            threshold: each.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: empty(email) ? {} : { actionGroups: [told.id] }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Warmfeed ${name}'
    category: 'workbook'
    sourceId: insightsId
    serializedData: loadTextContent('../workbook.json')
  }
}
