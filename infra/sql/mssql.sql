-- Warmfeed on Azure SQL Database: the server records which rows changed, so that their cached items are refreshed or
-- evicted. Safe to run again. Run it as an owner of the database (ALTER on database and tables), with the names of
-- your own tables and of the app's user in place of dbo.airlines and warmfeed_app. Pieces are separated by GO.

-- How long changes are kept: an app that did not poll for longer starts with an old cache.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID())
  ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS, AUTO_CLEANUP = ON);
GO

-- A row and the version that it reflects are read in one snapshot.
ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;
GO

-- Once for every cached table. It needs a primary key.
IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID(N'dbo.airlines'))
  ALTER TABLE dbo.airlines ENABLE CHANGE_TRACKING;
GO

-- The app's user. With an identity: CREATE USER [<name of the identity>] FROM EXTERNAL PROVIDER.
-- GRANT SELECT, VIEW CHANGE TRACKING ON dbo.airlines TO warmfeed_app;
