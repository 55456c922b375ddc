-- Restore script, written by pagescrub 0.0.0
-- from scan run-1 of 2026-01-02T03:04:05.678901Z.
-- Read all of it before you run any of it. Replace what stands in <>.
-- INCOMPLETE: 29 pages were not reached and may be damaged too.

-- 1. What was found, in the columns of msdb.dbo.suspect_pages. msdb itself is left alone.
IF OBJECT_ID(N'tempdb..#suspect_pages') IS NOT NULL DROP TABLE #suspect_pages;
CREATE TABLE #suspect_pages (
    database_id int NULL, -- NULL if there is no such database here
    file_id int NOT NULL,
    page_id bigint NOT NULL,
    event_type int NOT NULL, -- 1: 823, or 824 but for the next; 2: bad checksum; 3: torn page
    error_count int NOT NULL,
    last_update_date datetime NULL -- UTC
);
INSERT INTO #suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
(DB_ID(N'sales'), 1, 9, 1, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 3, 1, 2, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 1, 6, 2, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 1, 57, 2, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 1, 58, 1, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'=x]y''z' + NCHAR(10) + N'GO' + NCHAR(10) + N'"$' + N'(v);+1ü漢'), 1, 200, 3, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'quo''te] ümläut'), 1, 201, 1, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'simple'), 1, 300, 2, 1, '2026-01-02T03:04:05.678'),
(NULL, 4, 64, 1, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 1, 202, 2, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 3, 88, 2, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 3, 90, 1, 1, '2026-01-02T03:04:05.678'),
(DB_ID(N'sales'), 1, 210, 1, 1, '2026-01-02T03:04:05.678');
SELECT DB_NAME(database_id) AS database_name, file_id, page_id, event_type
FROM #suspect_pages ORDER BY database_name, file_id, page_id;

-- What they belong to, from SQL Server 2019 on; ends at a page whose header is bad:
-- SELECT s.file_id, s.page_id, p.object_id, p.index_id, p.page_type_desc
-- FROM #suspect_pages AS s CROSS APPLY sys.dm_db_page_info(
--     s.database_id, s.file_id, s.page_id, 'DETAILED') AS p;
-- One page, and then the table it belongs to (run in that database):
-- DBCC TRACEON (3604);
-- DBCC PAGE (N'sales', 1, 9, 3); -- zeroed
-- DBCC PAGE (N'sales', 3, 1, 3); -- bad_checksum
-- DBCC PAGE (N'sales', 1, 6, 3); -- bad_checksum
-- DBCC PAGE (N'sales', 1, 57, 3); -- bad_checksum
-- DBCC PAGE (N'sales', 1, 58, 3); -- wrong_page_id
-- DBCC PAGE (N'sales', 1, 202, 3); -- bad_checksum
-- DBCC PAGE (N'sales', 3, 88, 3); -- bad_checksum
-- DBCC PAGE (N'sales', 3, 90, 3); -- bad_header
-- DBCC PAGE (N'sales', 1, 210, 3); -- unreadable
-- DBCC PAGE (@database_1, 1, 200, 3); -- torn_page
-- DBCC PAGE (N'quo''te] ümläut', 1, 201, 3); -- bad_header
-- DBCC PAGE (N'simple', 1, 300, 3); -- bad_checksum
-- DBCC CHECKTABLE (N'<schema.table>') WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- 2. Restore. Run what follows piece by piece, a database at a time.
RETURN;

-- Database sales
-- The tail of the log first, to a device that has not failed:
-- BACKUP LOG [sales] TO DISK = N'<elsewhere>\tail.trn' WITH NO_TRUNCATE;
-- File /data/sales.mdf
RESTORE DATABASE [sales] PAGE = '1:57, 1:58, 1:202'
    FROM DISK = N'<full backup>' WITH NORECOVERY;
-- 1:202: index pages: if nonclustered, rather DROP and CREATE the index
-- 1:6: DIFF or ML maps, not restored alone: restore the file
-- 1:9: never restored alone: restore the file or the database
-- 1:210: not in use: nothing to restore; see to the storage
-- RESTORE DATABASE [sales] FILE = N'<logical name of the file>'
--     FROM DISK = N'<full backup>' WITH NORECOVERY; -- its other pages come with it
-- File /data/sales_2.ndf
RESTORE DATABASE [sales] PAGE = '3:90'
    FROM DISK = N'<full backup>' WITH NORECOVERY;
-- 3:88: changed between looks: scan an offline copy before you act
-- 3:1: never restored alone: restore the file or the database
-- RESTORE DATABASE [sales] FILE = N'<logical name of the file>'
--     FROM DISK = N'<full backup>' WITH NORECOVERY; -- its other pages come with it
-- Under FULL or BULK_LOGGED recovery only. Then, all of it in this order:
-- RESTORE DATABASE [sales] FROM DISK = N'<newest differential>' WITH NORECOVERY;
-- RESTORE LOG [sales] FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since
-- BACKUP LOG [sales] TO DISK = N'<new log backup>';
-- RESTORE LOG [sales] FROM DISK = N'<new log backup>' WITH RECOVERY;
-- DBCC CHECKDB ([sales]) WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- Database =x]y'z\nGO\n"$ (v);+1ü漢
-- Its name has characters that are not safe here. Run this line each time:
DECLARE @database_1 sysname = N'=x]y''z' + NCHAR(10) + N'GO' + NCHAR(10) + N'"$' + N'(v);+1ü漢';
-- The tail of the log first, to a device that has not failed:
-- BACKUP LOG @database_1 TO DISK = N'<elsewhere>\tail.trn' WITH NO_TRUNCATE;
-- File /data/a]b'c"d\n=cmd();=1\u{1b}[31m\u{202e}.mdf
RESTORE DATABASE @database_1 PAGE = '1:200'
    FROM DISK = N'<full backup>' WITH NORECOVERY;
-- Under FULL or BULK_LOGGED recovery only. Then, all of it in this order:
-- RESTORE DATABASE @database_1 FROM DISK = N'<newest differential>' WITH NORECOVERY;
-- RESTORE LOG @database_1 FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since
-- BACKUP LOG @database_1 TO DISK = N'<new log backup>';
-- RESTORE LOG @database_1 FROM DISK = N'<new log backup>' WITH RECOVERY;
-- DBCC CHECKDB (@database_1) WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- Database quo'te] ümläut
-- The tail of the log first, to a device that has not failed:
-- BACKUP LOG [quo'te]] ümläut] TO DISK = N'<elsewhere>\tail.trn' WITH NO_TRUNCATE;
-- File C:\data\quo'te] ümläut.mdf
RESTORE DATABASE [quo'te]] ümläut] PAGE = '1:201'
    FROM DISK = N'<full backup>' WITH NORECOVERY;
-- Under FULL or BULK_LOGGED recovery only. Then, all of it in this order:
-- RESTORE DATABASE [quo'te]] ümläut] FROM DISK = N'<newest differential>' WITH NORECOVERY;
-- RESTORE LOG [quo'te]] ümläut] FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since
-- BACKUP LOG [quo'te]] ümläut] TO DISK = N'<new log backup>';
-- RESTORE LOG [quo'te]] ümläut] FROM DISK = N'<new log backup>' WITH RECOVERY;
-- DBCC CHECKDB ([quo'te]] ümläut]) WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- Database simple
-- The tail of the log first, to a device that has not failed:
-- BACKUP LOG [simple] TO DISK = N'<elsewhere>\tail.trn' WITH NO_TRUNCATE;
-- File /data/simple.mdf
-- 1:300: SIMPLE recovery model, no page restore: restore the database
-- The whole database, where that is what must be restored:
-- RESTORE DATABASE [simple] FROM DISK = N'<full backup>' WITH NORECOVERY;
-- RESTORE DATABASE [simple] FROM DISK = N'<newest differential>' WITH NORECOVERY;
-- RESTORE LOG [simple] FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since
-- RESTORE DATABASE [simple] WITH RECOVERY;
-- DBCC CHECKDB ([simple]) WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- Databases whose names are not known; see the paths
-- The tail of the log first, to a device that has not failed:
-- BACKUP LOG [<database>] TO DISK = N'<elsewhere>\tail.trn' WITH NO_TRUNCATE;
-- File /data/orphan.ndf
RESTORE DATABASE [<database>] PAGE = '4:64'
    FROM DISK = N'<full backup>' WITH NORECOVERY;
-- Under FULL or BULK_LOGGED recovery only. Then, all of it in this order:
-- RESTORE DATABASE [<database>] FROM DISK = N'<newest differential>' WITH NORECOVERY;
-- RESTORE LOG [<database>] FROM DISK = N'<log backup>' WITH NORECOVERY; -- each one since
-- BACKUP LOG [<database>] TO DISK = N'<new log backup>';
-- RESTORE LOG [<database>] FROM DISK = N'<new log backup>' WITH RECOVERY;
-- DBCC CHECKDB ([<database>]) WITH NO_INFOMSGS, ALL_ERRORMSGS;
